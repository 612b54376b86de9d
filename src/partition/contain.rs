//! A mistake in a detector stays in the home at hand.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a detector's code. Whoever calls throws away what that code may have left half done.
///
/// # Errors
/// The message of its panic.
pub(super) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without words".to_owned())
    })
}
