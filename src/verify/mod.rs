//! Proofs that an operator or a test runs against tapwatch itself.

pub mod crashes;
