//! Homes at rest: packed into as few bytes as they need, one allocation each.
//!
//! Method: a reading unpacks its home, changes it and packs it when another home's turn comes; a home of which readings come
//! in a row is packed once. What that costs is in `docs/performance.md`. A home that keeps very many readings behind a
//! hole stays open meanwhile, because they would be packed again with each further one.

use std::borrow::Cow;
use std::mem::size_of;

use super::arena::Slot;
use crate::home::{MeterReading, pack, unpack};

/// A home with more readings behind a hole than this stays open: three days of quarter-hours, and some.
const MOST_PACKED_READINGS: usize = 320;

/// A home that is not at hand.
pub(super) enum Rest {
    /// No bytes for a home of which nothing is known.
    Packed(Box<[u8]>),
    Open(Box<Slot>),
}

impl Default for Rest {
    fn default() -> Self {
        Self::Packed(Box::default())
    }
}

impl Rest {
    /// The home, to be looked at.
    pub fn look(&self) -> Cow<'_, Slot> {
        match self {
            Self::Packed(bytes) => Cow::Owned(unpacked(bytes)),
            Self::Open(slot) => Cow::Borrowed(slot),
        }
    }

    /// The home, to be changed; what stays here is out of date until it is put back. `spare` saves an allocation.
    pub fn take(&mut self, spare: Option<Box<Slot>>) -> Box<Slot> {
        if let Self::Open(slot) = self {
            let slot = std::mem::take(slot);
            *self = Self::default();
            return slot;
        }
        let Self::Packed(bytes) = self else {
            return Box::default();
        };
        let slot = unpacked(bytes);
        match spare {
            Some(mut spare) => {
                *spare = slot;
                spare
            }
            None => Box::new(slot),
        }
    }

    /// Puts a home back. What it lay in is given back, to be used again.
    pub fn put(&mut self, slot: Box<Slot>, scratch: &mut Vec<u8>) -> Option<Box<Slot>> {
        if slot.home.pending() > MOST_PACKED_READINGS {
            *self = Self::Open(slot);
            return None;
        }
        scratch.clear();
        #[expect(
            clippy::expect_used,
            reason = "plain fields, numbers and lists of known length have a packed form"
        )]
        pack(&*slot, scratch).expect("a home has a packed form");
        match self {
            Self::Packed(bytes) if bytes.len() == scratch.len() => bytes.copy_from_slice(scratch),
            Self::Packed(bytes) => {
                let mut bytes_before = std::mem::take(bytes).into_vec();
                bytes_before.clear();
                bytes_before.reserve_exact(scratch.len());
                bytes_before.extend_from_slice(scratch);
                *bytes = bytes_before.into_boxed_slice();
            }
            Self::Open(_) => *self = Self::Packed(scratch.as_slice().into()),
        }
        Some(slot)
    }

    /// Bytes on the heap, with what an allocator adds.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Packed(bytes) => on_heap(bytes.len()),
            Self::Open(slot) => {
                let readings = slot.home.pending();
                let copy = if readings > 0 { size_of::<Slot>() } else { 0 };
                on_heap(size_of::<Slot>()) + copy + readings * size_of::<MeterReading>()
            }
        }
    }
}

fn unpacked(bytes: &[u8]) -> Slot {
    if bytes.is_empty() {
        return Slot::default();
    }
    #[expect(clippy::expect_used, reason = "these bytes never left the process")]
    unpack(bytes).expect("what was packed can be unpacked")
}

/// Bytes that an allocation takes: eight of the allocator's own, in steps of sixteen (glibc).
pub(super) const fn on_heap(bytes: usize) -> usize {
    if bytes == 0 {
        0
    } else {
        (bytes + 8).next_multiple_of(16)
    }
}
