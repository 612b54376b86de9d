//! What is said where something else than water or its absence is the cause.

use jiff::tz::TimeZone;
use serde_json::json;

use super::effects::Parting;
use crate::alert::{Cause, Transition};
use crate::detect::{HomeView, local_time, span_zh};
use crate::model::{AlertState, BothLanguages, EventTime, Explanation, HOUR, Response, format_span};

fn plain(reason: &'static str, en: &str, zh: &str) -> Explanation {
    Explanation {
        reason,
        text: BothLanguages {
            en: en.into(),
            zh: zh.into(),
        },
        ..Explanation::default()
    }
}

/// Why an alert is resolved that the rules of another programme had raised.
pub(super) fn rules_changed() -> Explanation {
    plain(
        "programme_changed",
        "The home is in another programme now; its rules are judged from the next reading on.",
        "该户已转入另一项目，自下一次读数起按新规则判断。",
    )
}

/// Why an alert is resolved whose home is to be forgotten.
pub(super) fn erased() -> Explanation {
    plain(
        "erased",
        "What was kept of this home has been erased; it is not known how its people are.",
        "该户的留存数据已删除；住户情况未知。",
    )
}

/// Why an alert is resolved whose home may be watched no more.
pub(super) fn parting(why: Parting) -> fn() -> Explanation {
    match why {
        Parting::ConsentWithdrawn => || {
            plain(
                "consent_withdrawn",
                "Consent has been withdrawn: what was kept of this home has been erased, and it is watched no more.",
                "住户已撤回同意：该户留存数据已删除，不再守护。",
            )
        },
        Parting::NoConsent => || {
            plain(
                "no_consent",
                "No consent is on record that the settings of today accept: what was kept of this home has been erased, and it \
                 is watched no more. It is not known how its people are.",
                "现行设置下该户没有有效的同意记录：留存数据已删除，不再守护；住户情况未知。",
            )
        },
        Parting::RecordRefused | Parting::StateLost => || {
            plain(
                "record_refused",
                "The settings of today do not know this home's programme or time zone: what was kept of it has been erased, \
                 and it is watched no more. It is not known how its people are.",
                "现行设置中没有该户的项目或时区：留存数据已删除，不再守护；住户情况未知。",
            )
        },
    }
}

/// What comes so long after its interval, in seconds, came late.
const LATE: u32 = 2 * HOUR;

/// Adds by how much an alert could not be known sooner, where the readings that show it came late.
pub(super) fn with_lateness(mut words: Explanation, view: &HomeView<'_>, transition: &Transition) -> Explanation {
    let reach = view.usage.frontier();
    let late = view.now.since(reach);
    if transition.state != AlertState::Raised || late < LATE {
        return words;
    }
    let date = |time: EventTime| view.time_zone.to_datetime(time.to_jiff()).date();
    // With its date if it is of another day: readings up to 23:00 that came at 02:00 are easily misread.
    let from = if date(reach) == date(view.now) {
        view.now
    } else {
        EventTime::MAX
    };
    let (until, came) = (
        local_time(reach, from, view.time_zone),
        local_time(view.now, view.now, view.time_zone),
    );
    let hours = |seconds: u32| json!((f64::from(seconds) / 360.0).round() / 10.0);
    words.evidence.insert("readings_came_late_hours".into(), hours(late));
    words.text.en += &format!(" The readings up to {until} came only at {came}: it could not be known before.");
    words.text.zh += &format!("{until}前的读数于{came}才收到，此前无法得知。");
    if let Some(every) = view
        .rhythm
        .seconds()
        .filter(|every| view.rhythm.is_learnt() && *every >= LATE)
    {
        words.evidence.insert("readings_come_every_hours".into(), hours(every));
        words.text.en += &format!(" They come up to {} apart.", format_span(every));
        words.text.zh += &format!("读数间隔最长约{}。", span_zh(every));
    }
    words
}

/// Adds what a record follows from, where that is more than what the detector says.
pub(super) fn with_cause(mut words: Explanation, transition: &Transition) -> Explanation {
    let (reason, en, zh) = match transition.cause {
        Cause::Finding | Cause::Response => return words,
        Cause::LateReadings if transition.state == AlertState::Raised => (
            "corrected_by_late_readings",
            "Readings that came late took back what had ended this alert.",
            "补到的读数推翻了此前解除告警的依据。",
        ),
        Cause::LateReadings => (
            "corrected_by_late_readings",
            "Readings that came late changed what was said before.",
            "补到的读数更正了此前所述。",
        ),
        Cause::NoAnswer => (
            "no_answer",
            "No answer came to the stage before.",
            "上一阶段未得到应答。",
        ),
        Cause::Graver => (
            "graver",
            "Somebody acknowledged this alert; it has become graver since.",
            "此告警已有人确认，其后变得更为严重。",
        ),
        Cause::NotAcknowledged => (
            "not_acknowledged",
            "Nobody has acknowledged this alert since it was raised or became graver.",
            "自告警发出或升级以来，尚无人确认。",
        ),
        Cause::NoOutcome => (
            "no_outcome",
            "Somebody acknowledged this alert, and no outcome has come since.",
            "此告警已有人接手，但至今未反馈结果。",
        ),
    };
    words.reason = reason;
    words.text.en += &format!(" {en}");
    words.text.zh += zh;
    words
}

/// What somebody did or found.
pub(super) fn response(response: Response, at: EventTime, now: EventTime, zone: &TimeZone) -> Explanation {
    let (reason, en, zh) = match response {
        Response::Acknowledged => (
            "acknowledged",
            "Somebody has taken this alert on",
            "已有人接手处理此告警",
        ),
        Response::Safe => ("outcome_safe", "The person is well", "住户平安"),
        Response::Away => ("outcome_away", "The person is away", "住户外出"),
        Response::Hospital => ("outcome_hospital", "The person is in hospital", "住户住院"),
        Response::Fall => (
            "outcome_fall",
            "The person was found in need of help",
            "住户被发现需要救助",
        ),
        Response::Leak => ("outcome_leak", "There is a leak", "确认漏水"),
        Response::MeterFault => ("outcome_meter_fault", "The meter is at fault", "水表故障"),
        Response::NobodyFound => (
            "outcome_nobody_found",
            "Nobody was found; if no water is used, the home is reported again",
            "上门未见到人；若仍无用水将再次告警",
        ),
    };
    let when = local_time(at, now, zone);
    let mut words = plain(reason, &format!("{en} (said at {when})."), &format!("{zh}（{when}）。"));
    words.evidence.insert("response".into(), json!(response));
    words.evidence.insert("response_at".into(), json!(at));
    words
}
