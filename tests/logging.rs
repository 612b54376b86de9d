//! Logging belongs to the whole process, so this test has a process of its own.

use tapwatch::telemetry::{LogFormat, LoggingError, init_logging};

#[test]
fn logging_begins_once() {
    init_logging(LogFormat::Json, "off").unwrap();
    assert!(tracing::dispatcher::has_been_set());
    let error = init_logging(LogFormat::Human, "info").unwrap_err();
    assert!(matches!(error, LoggingError::AlreadySet(_)), "{error}");
}
