use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::model::EventTime;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    One(f32),
    Two(u8, i64),
    Named { at: EventTime, name: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    flags: [bool; 9],
    small: (u8, i8, u16, i16),
    large: (u32, i32, u64, i64),
    fractions: (f32, f64),
    times: Vec<EventTime>,
    kinds: Vec<Kind>,
    maybe: Option<Box<(u32, EventTime)>>,
    nothing: (),
}

fn time() -> impl Strategy<Value = EventTime> {
    let whole = (0u32..1_193_046).prop_map(|hour| hour * 3_600);
    prop_oneof![Just(0), whole, any::<u32>()].prop_map(EventTime::from_seconds)
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Plain),
        any::<f32>().prop_map(Kind::One),
        any::<(u8, i64)>().prop_map(|(a, b)| Kind::Two(a, b)),
        (time(), ".{0,5}").prop_map(|(at, name)| Kind::Named { at, name }),
    ]
}

fn everything() -> impl Strategy<Value = Everything> {
    let often_zero = || prop_oneof![Just(0), any::<u64>()];
    (
        any::<[bool; 9]>(),
        any::<(u8, i8, u16, i16)>(),
        (any::<(u32, i32)>(), often_zero(), any::<i64>()),
        any::<(f32, f64)>(),
        prop::collection::vec(time(), 0..6),
        prop::collection::vec(kind(), 0..6),
        prop::option::of((any::<u32>(), time())),
    )
        .prop_map(
            |(flags, small, ((a, b), c, d), fractions, times, kinds, maybe)| Everything {
                flags,
                small,
                large: (a, b, c, d),
                fractions,
                times,
                kinds,
                maybe: maybe.map(Box::new),
                nothing: (),
            },
        )
}

fn packed<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    pack(value, &mut bytes).expect("has a packed form");
    bytes
}

proptest! {
    #[test]
    fn nothing_is_lost(value in everything()) {
        let bytes = packed(&value);
        prop_assert_eq!(unpack::<Everything>(&bytes), Ok(value));
        for end in 0..bytes.len() {
            prop_assert!(unpack::<Everything>(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(value) = unpack::<Everything>(&bytes) {
            // Numbers have more than one form in LEB128, values have one.
            prop_assert_eq!(format!("{:?}", unpack::<Everything>(&packed(&value))), format!("{:?}", Ok::<_, PackedError>(value)));
        }
    }
}

#[test]
fn what_is_nought_takes_a_bit() {
    assert_eq!(packed(&[0u32; 16]), [0, 0]);
    assert_eq!(packed(&(true, None::<u8>, 0.0f32, EventTime::ZERO)), [1]);
    // Times that follow each other by hours take a byte each.
    let times = [1, 2, 3, 3].map(|hour| EventTime::from_hour(490_000 + hour));
    assert_eq!(packed(&times).len(), 1 + 3 + 3);
}

#[test]
fn bytes_too_many_are_refused() {
    assert_eq!(unpack::<u8>(&[1, 7, 0]), Err(PackedError::TooLong(1)));
    assert_eq!(
        pack(&std::collections::BTreeMap::<u8, u8>::new(), &mut Vec::new()),
        Err(PackedError::Unsupported("maps"))
    );
}
