export function ReconciliationPage() { return <h1>reconciliation</h1> }
