//! Habits among flows that were reported: a garden is watered again and again at its hour of the day, a pipe breaks at any.
//!
//! Method: flows in a row, each a day to a week after the one before and within an hour of its time of day; what comes sooner does not count. People use water at
//! some seventeen hours of the day, so four flows that have nothing to do with each other are taken for a habit once in two hundred times.

use serde::{Deserialize, Serialize};

/// So many flows in a row are a habit.
const TIMES: u8 = 4;
/// The longest from one to the next, in hours.
const APART: u32 = 7 * 24;
/// What begins sooner after the last, in hours, may be a part of it, or the same by another rule.
const TOGETHER: u32 = 23;

/// Flows in a row that were reported and taught nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Habit {
    times: u8,
    /// The UTC hour in which the last of them began.
    last: u32,
}

impl Habit {
    /// Takes a flow that was reported, is over, and began in UTC hour `hour`; whether it makes a habit, which then begins anew.
    pub fn is_made_by(&mut self, hour: u32) -> bool {
        let since = hour.saturating_sub(self.last);
        if since < TOGETHER {
            return false;
        }
        let is_alike = since <= APART && (since + 1) % 24 <= 2;
        self.times = if is_alike { self.times + 1 } else { 1 };
        self.last = hour;
        let is_made = self.times == TIMES;
        if is_made {
            self.times = 0;
        }
        is_made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(hours: &[u32]) -> Vec<bool> {
        let mut habit = Habit::default();
        hours.iter().map(|hour| habit.is_made_by(*hour)).collect()
    }

    #[test]
    fn four_in_a_row_at_about_one_hour_of_the_day_are_a_habit() {
        let at = |day: u32, hour: u32| 400_000 / 24 * 24 + day * 24 + hour;
        let [no, yes] = [false, true];
        assert_eq!(made(&[at(0, 7), at(1, 8), at(4, 7), at(11, 6)]), [no, no, no, yes]);
        assert_eq!(
            made(&[at(0, 7), at(1, 7), at(2, 7), at(3, 9)]),
            [no; 4],
            "two hours off"
        );
        assert_eq!(
            made(&[at(0, 7), at(1, 7), at(2, 7), at(10, 7)]),
            [no; 4],
            "a week and a day"
        );
        assert_eq!(
            made(&[at(0, 0), at(0, 23), at(2, 0), at(2, 23)]),
            [no, no, no, yes],
            "over midnight"
        );
        let daily: Vec<u32> = (0..9).map(|day| at(day, 7)).collect();
        assert_eq!(
            made(&daily),
            [no, no, no, yes, no, no, no, yes, no],
            "each habit is made anew"
        );
        assert_eq!(
            made(&[at(0, 7), at(0, 7), at(1, 7), at(2, 7)]),
            [no; 4],
            "one flow counts once"
        );
        assert_eq!(made(&[at(0, 7), at(0, 8), at(0, 9), at(0, 10)]), [no; 4], "in parts");
        let twice_a_day: Vec<u32> = (0..4).flat_map(|day| [at(day, 7), at(day, 18)]).collect();
        assert_eq!(made(&twice_a_day), [no, no, no, no, no, no, yes, no]);
    }
}
