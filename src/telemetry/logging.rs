//! The log: one line an event on standard error, which leaves standard output to what a command prints.

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer};

/// For whom the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A person: colours if standard error is a terminal.
    #[default]
    Human,
    /// A log collector: one JSON object a line, an event's fields at its top level.
    Json,
}

/// Why logging could not begin.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// The filter is not of the form `level` or `target=level`, separated by commas.
    #[error("the log filter {filter:?} is not valid: {source}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Something else already takes the log of this process.
    #[error("the log is already being written: {0}")]
    AlreadySet(#[from] TryInitError),
}

/// Sends the log of the whole process (records of the `log` crate included) to standard error.
///
/// `filter` says what is written, in the form that `RUST_LOG` has: `info,tapwatch=debug`.
pub fn init(format: LogFormat, filter: &str) -> Result<(), LoggingError> {
    subscriber(format, filter, io::stderr, io::stderr().is_terminal())?.try_init()?;
    Ok(())
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
    terminal: bool,
) -> Result<impl Subscriber + Send + Sync + 'static, LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = parse(filter)?;
    let layer = fmt::layer().with_writer(writer);
    let layer = match format {
        // On a terminal the layer's own default stands: colours, unless NO_COLOR is set.
        LogFormat::Human if terminal => layer.boxed(),
        LogFormat::Human => layer.with_ansi(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    Ok(tracing_subscriber::registry().with(filter).with(layer))
}

fn parse(filter: &str) -> Result<EnvFilter, LoggingError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|source| LoggingError::Filter {
            filter: filter.to_owned(),
            source,
        })
}

/// Whether [`init`] would take the filter.
///
/// # Errors
/// [`LoggingError::Filter`].
pub fn check_filter(filter: &str) -> Result<(), LoggingError> {
    parse(filter).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is written about a few events.
    fn written(format: LogFormat, filter: &str) -> String {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&buffer);
        let subscriber = subscriber(format, filter, move || Sink(Arc::clone(&sink)), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(partition = 3, "partition live");
            tracing::debug!("in detail");
        });
        let bytes = buffer.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn people_read_plain_lines_where_there_is_no_terminal() {
        let log = written(LogFormat::Human, "info");
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains("partition live partition=3"), "{log}");
        assert!(!log.contains('\u{1b}'), "no escape codes: {log:?}");
    }

    #[test]
    fn collectors_read_json() {
        let log = written(LogFormat::Json, "warn,tapwatch=debug");
        let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert_eq!(lines[0]["message"], "partition live");
        assert_eq!(lines[0]["partition"], 3);
        assert_eq!(lines[1]["level"], "DEBUG");
    }

    #[test]
    fn a_bad_filter_is_an_error() {
        let error = init(LogFormat::Human, "tapwatch=loud").unwrap_err();
        assert!(
            matches!(&error, LoggingError::Filter { filter, .. } if filter == "tapwatch=loud"),
            "{error}"
        );
    }
}
