//! The engine's ports on the simulated cluster.

mod client;
mod commits;
mod restorer;
mod source;

pub use client::{Client, Fault, Kind};
pub use commits::StepwiseCommits;
pub use restorer::SimulatedRestorer;
pub use source::{Follower, Proof, SimulatedSource, raw_record};

use std::cell::RefCell;
use std::rc::Rc;

use super::cluster::Cluster;
use super::dice::Dice;

/// What all parts of a simulation share.
#[derive(Clone)]
pub struct Shared {
    /// The cluster.
    pub cluster: Rc<RefCell<Cluster>>,
    /// Chance, set anew for every action.
    pub dice: Rc<RefCell<Dice>>,
}

impl Shared {
    /// True so many times in a hundred.
    pub fn percent(&self, chance: u64) -> bool {
        self.dice.borrow_mut().percent(chance)
    }

    /// How many offsets before its place a reader begins once more, as where a seek and what was fetched before it cross.
    pub fn again(&self) -> i64 {
        if self.percent(4) { self.between(1, 3) as i64 } else { 0 }
    }

    /// One of `least..=most`.
    pub fn between(&self, least: usize, most: usize) -> usize {
        self.dice.borrow_mut().between(least as u64, most as u64) as usize
    }
}
