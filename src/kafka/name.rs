//! The name of an instance: what it is called in the group and by its transactions.
//!
//! A name that outlives the process lets a restarted instance end the transaction that its predecessor left open at once,
//! and have its partitions back without waiting for the session to run out. Two live instances of one name would shut
//! each other out, so a name that tapwatch makes up is guarded by a lock on a file, which the kernel gives back when the
//! process dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::settings::KafkaSettings;

/// So many instances of one group on one machine are given names.
const MOST: u32 = 1_000;

/// What an instance is called. The name is its own as long as a clone of this lives.
#[derive(Clone, Debug)]
pub struct InstanceName {
    member: Option<String>,
    transactional: String,
    /// Held, never read.
    _lock: Option<Arc<File>>,
}

impl InstanceName {
    /// Takes the name that `kafka.instance_id` asks for: the one given; for `""` the machine's name and the smallest number
    /// that no other live instance of the group has there; for `"none"`, or where nothing can be locked, one of this
    /// process alone.
    pub fn claim(settings: &KafkaSettings) -> Self {
        match settings.instance_id.as_str() {
            "" => {
                let mut claimed = host_name()
                    .ok_or_else(|| "this machine does not say its name".to_owned())
                    .and_then(|host| Self::claim_on(&settings.group_id, &host, &folder()));
                if settings.speaks_consumer_protocol()
                    && let Ok(name) = &mut claimed
                {
                    // A broker of that protocol refuses a restarted member until its predecessor's session has run out,
                    // and librdkafka gives up then: there a name helps the transactions alone.
                    name.member = None;
                }
                claimed.unwrap_or_else(|reason| {
                    tracing::warn!(
                        reason,
                        "this instance has no name that outlives it: a restart waits for the session of its predecessor to \
                         run out; kafka.instance_id gives it one"
                    );
                    Self::dynamic(&settings.group_id)
                })
            }
            "none" => Self::dynamic(&settings.group_id),
            name => Self::named(&settings.group_id, name.to_owned(), None),
        }
    }

    /// Its `group.instance.id`; `None` for a member like any other.
    pub fn member(&self) -> Option<&str> {
        self.member.as_deref()
    }

    /// Its `transactional.id`.
    pub fn transactional(&self) -> &str {
        &self.transactional
    }

    fn named(group: &str, name: String, lock: Option<File>) -> Self {
        Self {
            transactional: format!("{group}-{name}"),
            member: Some(name),
            _lock: lock.map(Arc::new),
        }
    }

    fn dynamic(group: &str) -> Self {
        Self {
            member: None,
            transactional: format!("{group}-{:016x}", rand::random::<u64>()),
            _lock: None,
        }
    }

    fn claim_on(group: &str, host: &str, folder: &Path) -> Result<Self, String> {
        for number in 0..MOST {
            let path = folder.join(lock_file(group, number));
            let mut options = OpenOptions::new();
            let file = match options.create(true).truncate(false).write(true).open(&path) {
                Ok(file) => file,
                // Another user's.
                Err(error) if error.kind() == ErrorKind::PermissionDenied && path.exists() => continue,
                Err(error) => return Err(format!("{}: {error}", path.display())),
            };
            match file.try_lock() {
                Ok(()) => return Ok(Self::named(group, format!("{host}-{number}"), Some(file))),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(format!("{}: {error}", path.display())),
            }
        }
        Err(format!("all of {MOST} names are taken"))
    }
}

/// Two groups whose names differ only in signs that a file's name cannot have share their numbers, which is no harm.
fn lock_file(group: &str, number: u32) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let group: String = group
        .chars()
        .take(100)
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    format!("tapwatch-{group}-{number}.lock")
}

/// Where the service manager lets a service keep what is gone with the machine's next start, else where everybody may.
fn folder() -> PathBuf {
    let given = std::env::var_os("RUNTIME_DIRECTORY");
    let first = given.as_ref().and_then(|folders| std::env::split_paths(folders).next());
    first
        .filter(|folder| folder.is_absolute())
        .unwrap_or_else(std::env::temp_dir)
}

/// The machine's own name; `None` where it has one that others have, too.
fn host_name() -> Option<String> {
    let asked = || {
        let output = std::process::Command::new("hostname").output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(asked)?;
    let name = name.trim();
    let is_own = !name.is_empty() && !name.starts_with("localhost") && name != "(none)";
    is_own.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(folder: &Path) -> InstanceName {
        InstanceName::claim_on("group", "host", folder).expect("a name")
    }

    #[test]
    fn live_instances_have_different_names_and_a_name_is_free_when_its_instance_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, second) = (claim(folder.path()), claim(folder.path()));
        assert_eq!((first.member(), second.member()), (Some("host-0"), Some("host-1")));
        assert_eq!(first.transactional(), "group-host-0");
        let shared = first.clone();
        drop(first);
        assert_eq!(claim(folder.path()).member(), Some("host-2"), "a clone holds the name");
        drop(shared);
        assert_eq!(claim(folder.path()).member(), Some("host-0"));
    }

    #[test]
    fn groups_do_not_take_each_others_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let _first = claim(folder.path());
        let other = InstanceName::claim_on("a/../other", "host", folder.path()).expect("a name");
        assert_eq!(other.member(), Some("host-0"));
        assert!(folder.path().join("tapwatch-a_.._other-0.lock").exists());
    }

    #[test]
    fn where_nothing_can_be_locked_there_is_no_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = InstanceName::claim_on("group", "host", &folder.path().join("missing"));
        assert!(refused.is_err());
    }

    #[test]
    fn a_name_that_was_given_is_taken_and_none_is_none() {
        let settings = |instance_id: &str| KafkaSettings {
            instance_id: instance_id.into(),
            ..KafkaSettings::default()
        };
        let given = InstanceName::claim(&settings("north"));
        assert_eq!(
            (given.member(), given.transactional()),
            (Some("north"), "tapwatch-north")
        );
        let (one, other) = (
            InstanceName::claim(&settings("none")),
            InstanceName::claim(&settings("none")),
        );
        assert_eq!(one.member(), None);
        assert_ne!(one.transactional(), other.transactional());
        assert!(one.transactional().starts_with("tapwatch-"));
    }
}
