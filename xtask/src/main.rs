//! Set-up, tests, benches and the house rules.
fn main() {}
