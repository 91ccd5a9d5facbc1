export function ProofPage() { return <h1>proof</h1> }
