//! Tests: what an instance, several of them, or their successors publish is held against the core's answer to the same
//! log in one go.

mod homes;
mod idle;
mod ledger;
mod life;
mod random;
mod scripted;
mod stories;
mod support;
