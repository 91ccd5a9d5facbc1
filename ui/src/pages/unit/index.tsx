export function UnitPage() { return <h1>unit</h1> }
