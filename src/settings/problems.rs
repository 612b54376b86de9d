//! What is wrong with the settings, and where to put it right.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Where a setting was written. The order is that of precedence: a later place wins over an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere: the built-in default holds.
    Default,
    /// The settings file.
    File {
        /// The file, as it was named to us.
        path: PathBuf,
        /// The line, from 1; `None` where the file as a whole is meant.
        line: Option<usize>,
    },
    /// The environment variable of this name.
    Environment(String),
    /// `--set` with this key. The value is left out, for it may be a password.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(key) => write!(f, "--set {key}"),
        }
    }
}

/// One thing to put right. Displayed as `tapwatch.toml:12: kafka.comit_interval: unknown key; did you mean …?`,
/// always on one line, whatever characters a key holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it was written.
    pub place: Place,
    /// The setting, such as `kafka.commit_interval`; empty where no single setting is meant.
    pub key: String,
    /// What is wrong, in words that say what would be right.
    pub message: String,
}

impl Problem {
    /// A problem with `key`, which was written at `place`.
    pub fn new(place: Place, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place,
            key: key.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A flag's place is its key: once is enough.
        let line = if self.key.is_empty() || self.place == Place::Flag(self.key.clone()) {
            format!("{}: {}", self.place, self.message)
        } else {
            format!("{}: {}: {}", self.place, self.key, self.message)
        };
        line.chars().try_for_each(|character| match character.is_control() {
            true => write!(f, "{}", character.escape_default()),
            false => write!(f, "{character}"),
        })
    }
}

/// Everything that is wrong, in the order of the places: file (by line), environment, flags. Displayed one a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// `Ok(value)` if there is nothing wrong, else every problem in order, each said once.
    ///
    /// # Errors
    /// The problems, if there are any.
    pub fn or<T>(problems: Vec<Problem>, value: T) -> Result<T, Self> {
        if problems.is_empty() {
            return Ok(value);
        }
        Err(Self::of(problems))
    }

    /// Every problem in order, each said once.
    pub fn of(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self(problems)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
