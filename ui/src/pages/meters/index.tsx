export function MetersPage() { return <h1>meters</h1> }
