//! State as bytes that can be trusted: a version, a checksum, and the packed values (`packed`).
//!
//! Form: `b"TWH"`, one byte of version, CRC-32 (IEEE) of the rest, little-endian, then the values.
//! An older version is read by a migration or refused by its number; it is never misread.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::packed::{pack, unpack};

const MAGIC: &[u8; 3] = b"TWH";
const HEADER: usize = 8;
/// The version this build writes. A change to any state that is stored raises it.
pub const VERSION: u8 = 19;

/// Why a snapshot is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Too short, or not begun by the right letters.
    #[error("not a snapshot of a home")]
    NotASnapshot,
    /// Written by another version.
    #[error("a snapshot of version {found}; this build reads version {VERSION}")]
    Version {
        /// The version found.
        found: u8,
    },
    /// Bytes were changed or lost.
    #[error("a damaged snapshot: its checksum is {found:08x}, not {expected:08x}")]
    Checksum {
        /// The checksum written in it.
        expected: u32,
        /// The checksum of what is there.
        found: u32,
    },
    /// Checksum right, values wrong: written by a faulty build.
    #[error("a snapshot whose values cannot be read: {0}")]
    Values(String),
}

/// Writes `state` with version and checksum.
///
/// # Panics
/// If the state has no packed form. Plain fields, numbers and lists of known length have one; a type that has none would
/// not pass the first test.
pub fn seal_snapshot<T: Serialize>(state: &T) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    #[expect(clippy::expect_used, reason = "as the doc says")]
    pack(state, &mut bytes).expect("state of plain values has a packed form");
    let checksum = crc32fast::hash(&bytes[HEADER..]);
    bytes[..3].copy_from_slice(MAGIC);
    bytes[3] = VERSION;
    bytes[4..HEADER].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Reads what [`seal_snapshot`] wrote.
///
/// # Errors
/// Every way in which the bytes are not a whole snapshot of this version, by name.
pub fn open_snapshot<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SnapshotError> {
    let (header, values) = bytes.split_at_checked(HEADER).ok_or(SnapshotError::NotASnapshot)?;
    if &header[..3] != MAGIC {
        return Err(SnapshotError::NotASnapshot);
    }
    if header[3] != VERSION {
        return Err(SnapshotError::Version { found: header[3] });
    }
    let expected = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let found = crc32fast::hash(values);
    if expected != found {
        return Err(SnapshotError::Checksum { expected, found });
    }
    unpack(values).map_err(|error| SnapshotError::Values(error.to_string()))
}
