//! Times and lengths of time as an operator reads them, in the home's own time zone.

use jiff::tz::TimeZone;

use crate::model::{DAY, EventTime, HOUR, MINUTE};

/// `21:40`, or `2016-05-03 21:40` when it is a day or more before `now`.
pub fn local_time(time: EventTime, now: EventTime, zone: &TimeZone) -> String {
    let local = zone.to_datetime(time.to_jiff());
    let clock = format!("{:02}:{:02}", local.hour(), local.minute());
    if now.since(time) < DAY {
        clock
    } else {
        format!("{} {clock}", local.date())
    }
}

/// `11小时20分钟`.
pub fn span_zh(seconds: u32) -> String {
    match (seconds / DAY, seconds % DAY / HOUR, seconds % HOUR / MINUTE) {
        (0, 0, m) => format!("{m}分钟"),
        (0, h, 0) => format!("{h}小时"),
        (0, h, m) => format!("{h}小时{m}分钟"),
        (1, h, 0) => format!("{}小时", h + 24),
        (1, h, m) => format!("{}小时{m}分钟", h + 24),
        (d, 0, _) => format!("{d}天"),
        (d, h, _) => format!("{d}天{h}小时"),
    }
}

/// A figure with at most one decimal.
pub fn figure(value: f32) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded.fract() == 0.0 {
        format!("{rounded:.0}")
    } else {
        format!("{rounded:.1}")
    }
}
