//! The words of what speaks for a person besides water: other signs of life, absence, an interruption of supply.

use serde_json::{Map, Value, json};

use super::HomeView;
use crate::detect::OpenAlert;
use crate::detect::words::{local_time, span_zh};
use crate::model::{BothLanguages, EventTime, Explanation, Sign, SignKind, format_span};

/// How a spell that began with something else than the end of a use is told; `None` where it began with that.
pub(super) fn begun_by(
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    dry: u32,
    evidence: &mut Map<String, Value>,
) -> Option<BothLanguages> {
    if home.excused_until() != alert.since || home.usage.last_sign() == Some(alert.since) {
        return None;
    }
    let when = |time: EventTime| local_time(time, home.now, home.time_zone);
    let (span, span_zh) = (format_span(dry), span_zh(dry));
    let known = &home.circumstances;
    if let Some(sign) = known.sign.filter(|sign| sign.until == alert.since) {
        note(&sign, evidence);
        let (en, zh) = sign_words(sign.kind);
        let (at, until) = (when(sign.at), when(sign.until));
        let (waits, waits_zh) = if sign.until > sign.at {
            (
                format!(" It counts from {until}, as this programme says."),
                format!("按该计划自{until}起计时。"),
            )
        } else {
            Default::default()
        };
        return Some(BothLanguages {
            en: format!("The last sign of life was at {at}: {en}.{waits} No water and no other sign since, {span}."),
            zh: format!("最近一次活动迹象在{at}：{zh}。{waits_zh}此后{span_zh}无用水及其他活动迹象。"),
        });
    }
    let at = when(alert.since);
    if known.absence.is_some_and(|absence| absence.to == Some(alert.since)) {
        evidence.insert("away_until".into(), json!(alert.since));
        return Some(BothLanguages {
            en: format!("The people were to be away until {at}. No water since, {span}."),
            zh: format!("住户报备外出至{at}。此后{span_zh}无用水。"),
        });
    }
    if known.outage.is_some_and(|outage| outage.to == Some(alert.since)) {
        evidence.insert("supply_returned_at".into(), json!(alert.since));
        return Some(BothLanguages {
            en: format!("Supply returned at {at}. No water has been used since, {span}."),
            zh: format!("{at}恢复供水。此后{span_zh}无用水。"),
        });
    }
    None
}

/// Something else than water speaks for the person.
pub(super) fn excused_by(
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    until: EventTime,
    mut evidence: Map<String, Value>,
) -> Explanation {
    let known = &home.circumstances;
    let when = |time: EventTime| local_time(time, home.now, home.time_zone);
    evidence.insert("excused_until".into(), json!(until));
    let sign = known.sign.filter(|sign| sign.until.min(home.usage.frontier()) == until);
    let absence = known
        .absence
        .filter(|absence| absence.from > alert.since || absence.covers(home.usage.frontier()));
    let (reason, en, zh) = if let Some(sign) = sign {
        note(&sign, &mut evidence);
        let (en, zh) = sign_words(sign.kind);
        let (at, from) = (when(sign.at), when(sign.until));
        (
            "other_sign_of_life",
            format!("Another sign of life at {at}: {en}. No water has been seen since; it counts anew from {from}."),
            format!("{at}有其他活动迹象：{zh}。此后尚无用水，自{from}起重新计时。"),
        )
    } else if let Some(absence) = absence {
        evidence.insert("away_from".into(), json!(absence.from));
        evidence.insert("away_until".into(), json!(absence.to));
        let from = when(absence.from);
        (
            "declared_away",
            format!("The people are away since {from}, as was said."),
            format!("住户已报备自{from}起外出。"),
        )
    } else {
        evidence.insert("outage_from".into(), json!(known.outage.map(|outage| outage.from)));
        (
            "supply_interrupted",
            "The zone was without water; it counts from the return of supply.".into(),
            "该片区停水，自恢复供水起重新计时。".into(),
        )
    };
    Explanation {
        reason,
        evidence,
        text: BothLanguages { en, zh },
    }
}

fn note(sign: &Sign, evidence: &mut Map<String, Value>) {
    evidence.insert("sign_of_life".into(), json!(sign.kind));
    evidence.insert("sign_of_life_at".into(), json!(sign.at));
    if sign.until > sign.at {
        evidence.insert("counts_from".into(), json!(sign.until));
    }
}

fn sign_words(kind: SignKind) -> (&'static str, &'static str) {
    match kind {
        SignKind::Electricity => ("electricity was switched", "有用电操作"),
        SignKind::Door => ("a door was opened", "有开门"),
        SignKind::Phone => ("the telephone was used", "有通话"),
        SignKind::Button => ("the telecare button was pressed", "按下呼叫器"),
        SignKind::Visit => ("somebody was there", "有人上门"),
        SignKind::Answer => ("the person answered", "本人已应答"),
        SignKind::Back => ("they said that they are back", "住户告知已回家"),
    }
}
