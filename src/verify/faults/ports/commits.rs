//! Transactions whose every call is a step of the scheduler.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Client, Proof};
use crate::engine::{CommitError, Commits, Progress, Transaction, Transactor, Verdict};

/// The engine's end of a [`Transactor`] that the scheduler steps.
#[derive(Clone)]
pub struct StepwiseCommits(Rc<RefCell<State>>);

struct State {
    transactor: Transactor<Client>,
    verdict: Option<Verdict>,
    stopped: Option<String>,
}

impl StepwiseCommits {
    /// Wraps a transactor.
    pub fn new(transactor: Transactor<Client>) -> Self {
        Self(Rc::new(RefCell::new(State {
            transactor,
            verdict: None,
            stopped: None,
        })))
    }

    /// Makes one call. True while there may be more to do.
    pub fn step(&self) -> bool {
        let mut state = self.0.borrow_mut();
        match state.transactor.step() {
            Ok(Progress::Working) => true,
            Ok(Progress::Waiting(_) | Progress::Idle) => false,
            Ok(Progress::Done(verdict)) => {
                debug_assert!(state.verdict.is_none(), "one verdict at a time");
                state.verdict = Some(verdict);
                false
            }
            Err(error) => {
                state.stopped = Some(error.to_string());
                false
            }
        }
    }

    /// Something that the client is told.
    pub fn with_client(&self, tell: impl FnOnce(&mut Client)) {
        tell(self.0.borrow_mut().transactor.client_mut());
    }
}

impl Commits<Proof> for StepwiseCommits {
    fn is_idle(&self) -> bool {
        let state = self.0.borrow();
        state.verdict.is_none() && state.transactor.is_idle()
    }

    fn start(&mut self, transaction: Transaction<Proof>) {
        self.0.borrow_mut().transactor.start(transaction);
    }

    fn poll(&mut self) -> Result<Option<Verdict>, CommitError> {
        let mut state = self.0.borrow_mut();
        match &state.stopped {
            Some(reason) => Err(CommitError(reason.clone())),
            None => Ok(state.verdict.take()),
        }
    }
}
