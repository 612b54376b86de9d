use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::model::{AlertKind, AlertState, EventTime, Finding, HOUR, MINUTE, Response, Severity, Stage, Stages};

fn at(seconds: u32) -> EventTime {
    // 2024-03-01T00:00:00Z, so that there is room before it.
    EventTime::from_seconds(1_709_251_200 + seconds)
}

fn finding(since: u32, severity: Severity) -> Finding {
    Finding {
        since: at(since),
        detected_at: at(since + 10),
        severity,
        rule: "rule".into(),
        stages: None,
        anew_at: None,
    }
}

fn ladder(steps: &[(&str, u32, Option<&str>)]) -> PolicySettings {
    let step = |(contact, after_minutes, duty): &(&str, u32, Option<&str>)| LadderStep {
        contact: (*contact).into(),
        after_minutes: *after_minutes,
        duty: duty.map(|duty| serde_json::from_value(duty.into()).expect("a band")),
        duty_days: Vec::new(),
    };
    PolicySettings {
        ladder: steps.iter().map(step).collect(),
        ..PolicySettings::default()
    }
}

fn care(policy: &PolicySettings, now: u32) -> Care<'_> {
    static UTC: TimeZone = TimeZone::UTC;
    Care {
        kind: AlertKind::Inactivity,
        policy,
        time_zone: &UTC,
        now: at(now),
        occasion: Occasion::Reading,
        is_muted: false,
    }
}

fn states(case: &mut Option<Case>, finding: Option<&Finding>) -> Vec<(AlertState, u32)> {
    let policy = PolicySettings::default();
    let transitions = care(&policy, 0).decide(case.as_ref(), finding);
    if let Some(last) = transitions.last() {
        *case = Some(last.case.clone());
    }
    transitions.iter().map(|t| (t.state, t.case.revision)).collect()
}

#[test]
fn an_episode_is_raised_updated_and_resolved_once() {
    let mut case = None;
    let (high, critical) = (finding(100, Severity::High), finding(100, Severity::Critical));
    assert_eq!(states(&mut case, None), []);
    assert_eq!(states(&mut case, Some(&high)), [(AlertState::Raised, 1)]);
    assert_eq!(states(&mut case, Some(&high)), []);
    assert_eq!(states(&mut case, Some(&critical)), [(AlertState::Updated, 2)]);
    assert_eq!(states(&mut case, Some(&high)), []);
    assert_eq!(states(&mut case, None), [(AlertState::Resolved, 3)]);
    assert_eq!(states(&mut case, None), []);
    // The same episode again goes on counting; another begins at 1.
    assert_eq!(states(&mut case, Some(&high)), [(AlertState::Raised, 4)]);
    assert_eq!(
        states(&mut case, Some(&finding(500, Severity::High))),
        [(AlertState::Resolved, 5), (AlertState::Raised, 1)]
    );
    assert_eq!(
        states(&mut case, Some(&finding(400, Severity::High))),
        [(AlertState::Updated, 2)]
    );
}

#[test]
fn what_is_met_anew_is_said_once_and_not_to_whoever_has_taken_it_on() {
    let mut case = None;
    let met = finding(100, Severity::High);
    let again = |at_second| Finding {
        anew_at: Some(at(at_second)),
        ..met.clone()
    };
    assert_eq!(states(&mut case, Some(&met)), [(AlertState::Raised, 1)]);
    assert_eq!(states(&mut case, Some(&again(500))), [(AlertState::Updated, 2)]);
    assert_eq!(case.as_ref().expect("a case").detected_at, at(500));
    assert_eq!(states(&mut case, Some(&again(500))), []);
    // That it began at another time is told with what is known of it, not once more.
    let moved = Finding {
        since: at(90),
        ..again(500)
    };
    let mut earlier = case.clone();
    assert_eq!(states(&mut earlier, Some(&moved)), [(AlertState::Updated, 3)]);
    assert_eq!(states(&mut earlier, Some(&moved)), []);
    let policy = PolicySettings::default();
    let taken_on = care(&policy, 600).respond(case.as_ref().expect("a case"), Response::Acknowledged);
    case = Some(taken_on.expect("it is open").case);
    assert_eq!(states(&mut case, Some(&again(900))), []);
}

fn staged(stages: &[Stage]) -> Finding {
    let (last, before) = stages.split_last().expect("a stage");
    Finding {
        stages: Some(Stages::until(*last, before.iter().copied())),
        ..finding(100, Severity::High)
    }
}

/// What comes of a finding that holds on: stage, minute and cause of each record.
fn climb(found: &Finding, policy: &PolicySettings) -> Vec<(Option<Stage>, u32, Cause)> {
    let (mut case, mut minute, mut said) = (None, 10, Vec::new());
    while minute < 10_000 {
        let care = care(policy, minute * MINUTE);
        for transition in care.decide(case.as_ref(), Some(found)) {
            said.push((transition.case.stage, minute, transition.cause));
            case = Some(transition.case);
        }
        let timer = case.as_ref().and_then(|case| care.timer(case, care.now.plus(1)));
        minute = timer.map_or(10_000, |timer| timer.since(at(0)) / MINUTE);
    }
    said
}

#[test]
fn stages_come_one_by_one_each_after_the_time_for_an_answer() {
    let policy = PolicySettings::default();
    let all = [
        (Some(Stage::Ask), 10, Cause::Finding),
        (Some(Stage::Contact), 40, Cause::NoAnswer),
        (Some(Stage::Visit), 100, Cause::NoAnswer),
    ];
    assert_eq!(climb(&staged(&Stage::ALL), &policy), all);
    assert_eq!(climb(&staged(&[Stage::Ask]), &policy), all[..1]);
    // A programme that asks nobody but sends somebody goes on to that.
    let skips = climb(&staged(&[Stage::Ask, Stage::Visit]), &policy);
    assert_eq!(skips, [all[0], (Some(Stage::Visit), 40, Cause::NoAnswer)]);
    assert_eq!(
        climb(&staged(&[Stage::Visit]), &policy),
        [(Some(Stage::Visit), 10, Cause::Finding)]
    );
}

#[test]
fn whoever_has_acknowledged_is_not_said_to_have_been_silent() {
    let policy = PolicySettings::default();
    let asked = Finding {
        stages: Some(Stages::until(Stage::Ask, [Stage::Ask])),
        ..finding(100, Severity::Medium)
    };
    let raised = care(&policy, 10 * MINUTE).decide(None, Some(&asked)).remove(0).case;
    let held = care(&policy, 20 * MINUTE).respond(&raised, Response::Acknowledged);
    let held = held.expect("it is open").case;
    let graver = staged(&[Stage::Ask, Stage::Contact]);
    let next = care(&policy, 60 * MINUTE).decide(Some(&held), Some(&graver)).remove(0);
    assert_eq!(
        (next.state, next.case.stage, next.cause),
        (AlertState::Escalated, Some(Stage::Contact), Cause::Graver)
    );
    assert!(!next.case.is_acknowledged());
    // Who took it on and said no more was not silent before that.
    let late = 20 * MINUTE + policy.acknowledged_hours * HOUR;
    let next = care(&policy, late).decide(Some(&held), Some(&graver)).remove(0);
    assert_eq!((next.case.stage, next.cause), (Some(Stage::Contact), Cause::NoOutcome));
}

#[test]
fn a_stage_is_never_taken_back() {
    let policy = PolicySettings::default();
    let raised = care(&policy, 200).decide(None, Some(&staged(&Stage::ALL))).remove(0);
    let climbed = care(&policy, 200 + 30 * MINUTE).decide(Some(&raised.case), Some(&staged(&Stage::ALL)));
    assert_eq!((climbed.len(), climbed[0].state), (1, AlertState::Escalated));
    let case = &climbed[0].case;
    assert_eq!(case.stage, Some(Stage::Contact));
    let less = care(&policy, 200 + 300 * MINUTE).decide(Some(case), Some(&staged(&[Stage::Ask])));
    assert_eq!(less, []);
}

/// The contacts that are told until `until`, with the minute.
fn told(policy: &PolicySettings, raised_at: u32, until: u32) -> Vec<(String, u32)> {
    let mut told = Vec::new();
    let minute = |time: EventTime| time.since(at(0)) / MINUTE;
    let found = finding(raised_at - 10, Severity::High);
    let mut transition = care(policy, raised_at).decide(None, Some(&found)).remove(0);
    loop {
        let case = &transition.case;
        let raised = (case.revision == 1).then_some(transition.contact.as_ref()).flatten();
        told.extend(raised.map(|contact| (contact.to_string(), raised_at / MINUTE)));
        let Some(next) = care(policy, raised_at).next(case).filter(|next| next.at <= at(until)) else {
            assert_eq!(care(policy, until).escalate(case), None);
            return told;
        };
        let early = care(policy, next.at.since(at(0)) - 1);
        assert!(next.at == at(raised_at) || early.escalate(case).is_none());
        let following = care(policy, next.at.since(at(0))).escalate(case).expect("it is due");
        assert_eq!(following.contact.as_ref(), Some(&next.contact));
        assert_eq!(following.state, AlertState::Escalated);
        told.push((next.contact.to_string(), minute(next.at)));
        transition = following;
    }
}

#[test]
fn a_ladder_tells_one_contact_after_the_other() {
    let policy = ladder(&[("family", 0, None), ("warden", 30, None), ("emergency", 60, None)]);
    let all = [("family", 10), ("warden", 40), ("emergency", 100)].map(|(who, when)| (who.to_owned(), when));
    assert_eq!(told(&policy, 600, 1_000_000), all);
    assert_eq!(told(&policy, 600, 40 * MINUTE - 1), all[..1]);
    assert_eq!(told(&policy, 600, 40 * MINUTE), all[..2]);
    // The first may have to wait, too.
    let policy = ladder(&[("family", 15, None)]);
    assert_eq!(told(&policy, 600, 1_000_000), [("family".to_owned(), 25)]);
    assert_eq!(told(&ladder(&[]), 600, 1_000_000), []);
}

#[test]
fn who_is_off_duty_is_passed_over_but_somebody_is_told() {
    let policy = ladder(&[
        ("office", 0, Some("08-18")),
        ("warden", 30, Some("22-06")),
        ("family", 0, None),
    ]);
    // At 00:10 the office is closed, and the warden is awake.
    let names = |raised_at| -> Vec<String> {
        told(&policy, raised_at, 10_000_000)
            .into_iter()
            .map(|(who, _)| who)
            .collect()
    };
    assert_eq!(names(600), ["warden", "family"]);
    assert_eq!(names(10 * 3_600), ["office", "family"]);
    assert_eq!(names(20 * 3_600), ["family"]);
    let nobody = ladder(&[("office", 0, Some("08-18")), ("desk", 0, Some("08-18"))]);
    assert_eq!(told(&nobody, 600, 10_000_000), [("desk".to_owned(), 10)]);
}

#[test]
fn whoever_acknowledges_stops_the_ladder_and_an_outcome_ends_the_episode() {
    let policy = ladder(&[("family", 0, None), ("warden", 30, None)]);
    let found = finding(0, Severity::High);
    let raised = care(&policy, 10).decide(None, Some(&found)).remove(0);
    let taken = care(&policy, 60)
        .respond(&raised.case, Response::Acknowledged)
        .expect("open");
    assert_eq!((taken.state, taken.case.revision), (AlertState::Acknowledged, 2));
    assert_eq!(care(&policy, 11 * HOUR).escalate(&taken.case), None);
    assert_eq!(care(&policy, 11 * HOUR).decide(Some(&taken.case), Some(&found)), []);
    let again = care(&policy, 70).respond(&taken.case, Response::Acknowledged);
    assert_eq!(again, Err(Contradiction::AcknowledgedAlready));
    let over = care(&policy, 80).respond(&taken.case, Response::Leak).expect("open");
    assert_eq!((over.state, over.case.open), (AlertState::Resolved, false));
    for response in Response::ALL {
        let expected = match response {
            Response::Acknowledged => Contradiction::Over,
            Response::Leak => Contradiction::KnownAlready,
            _ => Contradiction::OtherOutcome(Response::Leak),
        };
        let late = care(&policy, 90).respond(&over.case, response);
        assert_eq!(late, Err(expected));
    }
    // The same episode goes on: it is not raised again unless it becomes graver.
    assert_eq!(care(&policy, 90).decide(Some(&over.case), Some(&found)), []);
    let graver = finding(0, Severity::Critical);
    let raised = care(&policy, 90).decide(Some(&over.case), Some(&graver));
    assert_eq!(raised.iter().map(|t| t.state).collect::<Vec<_>>(), [AlertState::Raised]);
    let next = finding(500, Severity::High);
    assert_eq!(
        care(&policy, 90).decide(Some(&over.case), Some(&next))[0].case.revision,
        1
    );
}

#[test]
fn an_acknowledgement_without_an_outcome_counts_for_some_hours() {
    for (policy, next) in [
        (ladder(&[("family", 0, None), ("warden", 30, None)]), Some("warden")),
        // Who was told last is not told again at once: the ladder begins anew.
        (ladder(&[("family", 0, None)]), Some("family")),
        (ladder(&[]), None),
    ] {
        let found = staged(&Stage::ALL);
        let raised = care(&policy, 200).decide(None, Some(&found)).remove(0);
        let taken = care(&policy, 300).respond(&raised.case, Response::Acknowledged);
        let taken = taken.expect("open").case;
        let limit = 300 + 12 * HOUR;
        assert_eq!(care(&policy, 300).timer(&taken, at(300)), Some(at(limit)));
        assert_eq!(
            care(&policy, 300).next(&taken).map(|next| next.at),
            next.map(|_| at(limit))
        );
        assert_eq!(care(&policy, limit - 1).decide(Some(&taken), Some(&found)), []);
        let on = care(&policy, limit).decide(Some(&taken), Some(&found)).remove(0);
        assert_eq!((on.state, on.contact.as_deref()), (AlertState::Escalated, next));
        assert_eq!((on.case.stage, on.case.response), (Some(Stage::Contact), None));
        // Somebody may take it on once more.
        assert!(
            care(&policy, limit + 1)
                .respond(&on.case, Response::Acknowledged)
                .is_ok()
        );
        // What becomes graver is told at once.
        let graver = Finding {
            severity: Severity::Critical,
            ..found.clone()
        };
        let told = care(&policy, 400).decide(Some(&taken), Some(&graver)).remove(0);
        assert_eq!(
            (told.contact.as_deref(), told.case.severity),
            (next, Severity::Critical)
        );
    }
    // What nobody is called for stays with whoever took it on.
    let policy = PolicySettings::default();
    let leak = |now| Care {
        kind: AlertKind::Leak,
        ..care(&policy, now)
    };
    let raised = leak(10).decide(None, Some(&finding(0, Severity::Low))).remove(0);
    let taken = leak(20)
        .respond(&raised.case, Response::Acknowledged)
        .expect("open")
        .case;
    assert_eq!(leak(20).timer(&taken, at(0)), None);
}

#[test]
fn an_outcome_is_taken_for_a_week_after_the_alert_ended_of_itself() {
    let policy = PolicySettings::default();
    let raised = care(&policy, 10)
        .decide(None, Some(&finding(0, Severity::High)))
        .remove(0);
    let ended = care(&policy, 100).decide(Some(&raised.case), None).remove(0);
    let outcome = |now, response| care(&policy, now).respond(&ended.case, response);
    let fall = outcome(200, Response::Fall).expect("an outcome");
    assert_eq!((fall.state, fall.case.revision), (AlertState::Resolved, 3));
    assert_eq!(fall.case.response, Some(Response::Fall));
    let other = care(&policy, 300).respond(&fall.case, Response::Safe);
    assert_eq!(other, Err(Contradiction::OtherOutcome(Response::Fall)));
    assert_eq!(outcome(200, Response::Acknowledged), Err(Contradiction::Over));
    assert_eq!(
        outcome(100 + 7 * 24 * HOUR + 1, Response::Fall),
        Err(Contradiction::Over)
    );
}

#[test]
fn a_correction_goes_on_under_the_same_alert() {
    let policy = ladder(&[("family", 0, None)]);
    let late = |now| Care {
        occasion: Occasion::LateReading,
        ..care(&policy, now)
    };
    let raised = care(&policy, 10)
        .decide(None, Some(&finding(0, Severity::High)))
        .remove(0);
    let taken = care(&policy, 20).respond(&raised.case, Response::Acknowledged);
    let taken = taken.expect("open").case;
    let moved = late(500).decide(Some(&taken), Some(&finding(300, Severity::High)));
    assert_eq!(moved.len(), 1);
    assert_eq!(
        (moved[0].state, moved[0].cause),
        (AlertState::Updated, Cause::LateReadings)
    );
    let case = &moved[0].case;
    assert_eq!((case.identity_since, case.since), (at(0), at(300)));
    assert_eq!(
        (case.response, moved[0].contact.clone()),
        (Some(Response::Acknowledged), None)
    );
    // Ended by another correction and met again, it is still the same.
    let ended = late(600).decide(Some(case), None).remove(0).case;
    let again = late(700)
        .decide(Some(&ended), Some(&finding(200, Severity::High)))
        .remove(0);
    assert_eq!((again.state, again.cause), (AlertState::Raised, Cause::LateReadings));
    assert_eq!((again.case.identity_since, again.case.revision), (at(0), 5));
}

#[test]
fn what_late_readings_let_begin_at_another_time_is_no_graver_than_it_is() {
    let policy = PolicySettings::default();
    let met_late = |since, severity| Finding {
        detected_at: at(900),
        ..finding(since, severity)
    };
    let raised = care(&policy, 900)
        .decide(None, Some(&met_late(0, Severity::Critical)))
        .remove(0);
    let after = |occasion, since| {
        let care = Care {
            occasion,
            ..care(&policy, 1_000)
        };
        care.decide(Some(&raised.case), Some(&met_late(since, Severity::High)))[0]
            .case
            .severity
    };
    assert_eq!(after(Occasion::LateReading, 300), Severity::High);
    // Whatever else moves it takes nothing back.
    assert_eq!(after(Occasion::Reading, 300), Severity::Critical);
}

#[test]
fn a_message_is_said_once() {
    let policy = PolicySettings::default();
    let care = Care {
        kind: AlertKind::WellToday,
        ..care(&policy, 0)
    };
    let first = care.decide(None, Some(&finding(0, Severity::Low)));
    assert_eq!(
        (first.len(), first[0].state, first[0].case.open),
        (1, AlertState::Raised, false)
    );
    let case = &first[0].case;
    assert_eq!(care.decide(Some(case), Some(&finding(0, Severity::Low))), []);
    assert_eq!(care.decide(Some(case), None), []);
    let tomorrow = care.decide(Some(case), Some(&finding(24 * 3_600, Severity::Low)));
    assert_eq!(tomorrow[0].case.revision, 1);
    assert_eq!(
        care.decide(Some(&tomorrow[0].case), Some(&finding(0, Severity::Low))),
        []
    );
}

#[test]
fn ids_are_stable_and_apart() {
    let since = EventTime::from_seconds(1_700_000_000);
    let id = alert_id("h1", AlertKind::Inactivity, since);
    assert_eq!(id, "90f41edc-4bd0-514f-8f4d-a944ca1ebd39");
    assert_ne!(id, alert_id("h2", AlertKind::Inactivity, since));
    assert_ne!(id, alert_id("h1", AlertKind::Leak, since));
    assert_ne!(id, alert_id("h1", AlertKind::Inactivity, since.plus(1)));
}

/// What may happen to a case.
#[derive(Clone, Debug)]
enum Step {
    /// What is found: start, severity, last stage due; and whether late readings say so.
    Finding(Option<(u32, u8, u8)>, bool),
    Time(u32),
    Response(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (prop::option::of((0u32..6, 0u8..3, 0u8..3)), any::<bool>())
            .prop_map(|(found, late)| Step::Finding(found, late)),
        4 => (1u32..4_000).prop_map(Step::Time),
        1 => (4_000u32..100_000).prop_map(Step::Time),
        2 => (0..Response::ALL.len()).prop_map(Step::Response),
    ];
    prop::collection::vec(step, 0..80)
}

/// A case and the time it lives in.
struct Life {
    policy: PolicySettings,
    case: Option<Case>,
    holds: Option<Finding>,
    now: u32,
}

impl Life {
    /// What is to be said now.
    fn look(&self, occasion: Occasion) -> Vec<Transition> {
        let care = Care {
            occasion,
            ..care(&self.policy, self.now)
        };
        let mut said = care.decide(self.case.as_ref(), self.holds.as_ref());
        let mut due = said
            .last()
            .map(|last| &last.case)
            .or(self.case.as_ref())
            .and_then(|case| care.escalate(case));
        while let Some(transition) = due {
            due = care.escalate(&transition.case);
            said.push(transition);
        }
        said
    }

    /// The next timer up to `until`.
    fn timer(&self, until: u32) -> Option<u32> {
        let care = care(&self.policy, self.now);
        let timer = self.case.as_ref().and_then(|case| care.timer(case, care.now.plus(1)))?;
        Some(timer.since(at(0))).filter(|timer| *timer <= until)
    }

    /// Takes in a record that was said, after holding it against the one before.
    fn hear(&mut self, said: Transition) -> Result<(), TestCaseError> {
        let before = self.case.replace(said.case.clone());
        let case = said.case;
        prop_assert_eq!(case.open, said.state != AlertState::Resolved);
        prop_assert_eq!(case.decided_at, at(self.now));
        prop_assert_eq!(
            case.response.is_some() && said.state != AlertState::Updated,
            said.cause == Cause::Response
        );
        let Some(before) = before else {
            prop_assert_eq!((said.state, case.revision), (AlertState::Raised, 1));
            return Ok(());
        };
        // One life after the other.
        let is_outcome_afterwards = !before.open && before.response.is_none() && said.cause == Cause::Response;
        prop_assert_eq!(before.open || is_outcome_afterwards, said.state != AlertState::Raised);
        let goes_on = before.identity_since == case.identity_since;
        prop_assert_eq!(case.revision, if goes_on { before.revision + 1 } else { 1 });
        prop_assert!(goes_on || said.state == AlertState::Raised && before.since < case.since);
        if said.state == AlertState::Raised {
            let first = self
                .holds
                .as_ref()
                .and_then(|found| found.stages)
                .and_then(Stages::first);
            prop_assert_eq!(case.stage, first);
            return Ok(());
        }
        // Stages one by one, each after its time; and nothing is said to whoever has taken it on but what is graver.
        let is_held = before.is_acknowledged() && at(self.now) < before.next_at;
        if case.stage != before.stage {
            let stages: Vec<_> = Stage::ALL
                .into_iter()
                .filter(|stage| Some(*stage) > before.stage)
                .collect();
            let waited = case.decided_at.since(before.staged_at);
            prop_assert_eq!(case.stage, stages.first().copied());
            prop_assert!(
                waited
                    >= before
                        .stage
                        .and_then(|stage| self.policy.answer_minutes.of(stage))
                        .unwrap_or(0)
                        * MINUTE
            );
        }
        let is_graver = case.severity > before.severity;
        if is_held && !is_graver && case.open {
            prop_assert!(said.contact.is_none() && case.stage == before.stage && case.since != before.since);
        }
        Ok(())
    }
}

proptest! {
    /// However findings, late readings, time and responses come: raised and resolved alternate, revisions of one id count
    /// on, time never runs back, stages come one by one after the time for an answer, nobody is told within the limit of
    /// an acknowledgement, whoever acknowledged is asked again, and what is open is what holds and has no outcome.
    #[test]
    fn no_order_of_events_leaves_a_case_open_or_doubles_a_record(steps in steps()) {
        let policy = ladder(&[("family", 0, None), ("warden", 20, Some("08-18")), ("office", 10, None)]);
        let mut life = Life { policy, case: None, holds: None, now: 1_000 };
        for step in steps {
            match step {
                Step::Finding(found, late) => {
                    life.holds = found.map(|(since, severity, stage)| Finding {
                        stages: Some(Stages::until(Stage::ALL[stage as usize], Stage::ALL)),
                        anew_at: None,
                        ..finding(since * 100, [Severity::Low, Severity::High, Severity::Critical][severity as usize])
                    });
                    let occasion = if late { Occasion::LateReading } else { Occasion::Reading };
                    let all = life.look(occasion);
                    // What is corrected neither ends nor begins at once.
                    prop_assert!(!late || all.iter().all(|said| said.cause == Cause::NotAcknowledged) || all[0].case.open
                        || all.len() == 1);
                    for said in all {
                        life.hear(said)?;
                    }
                }
                Step::Time(seconds) => {
                    let until = life.now + seconds;
                    while let Some(timer) = life.timer(until) {
                        life.now = timer;
                        for said in life.look(Occasion::Time) {
                            life.hear(said)?;
                        }
                    }
                    life.now = until;
                    prop_assert_eq!(life.look(Occasion::Time), []);
                }
                Step::Response(which) => {
                    let Some(case) = life.case.clone() else { continue };
                    let care = care(&life.policy, life.now);
                    match care.respond(&case, Response::ALL[which]) {
                        Ok(said) => life.hear(said)?,
                        Err(Contradiction::AcknowledgedAlready) => prop_assert!(case.is_acknowledged()),
                        Err(_) => prop_assert!(!case.open),
                    }
                }
            }
            let open = life.case.as_ref().filter(|case| case.open);
            let is_ended = life.case.as_ref().is_some_and(|case| case.response.is_some());
            prop_assert_eq!(open.is_some(), life.holds.is_some() && (open.is_some() || !is_ended));
            // Nobody keeps an alert for himself for ever.
            let taken = open.filter(|case| case.is_acknowledged());
            prop_assert!(taken.is_none_or(|case| case.next_at <= at(life.now + 12 * HOUR)
                && care(&life.policy, life.now).timer(case, at(life.now)).is_some()));
        }
        // With nothing left to say, nothing is open.
        life.holds = None;
        for said in life.look(Occasion::Reading) {
            life.hear(said)?;
        }
        prop_assert!(life.case.is_none_or(|case| !case.open));
    }
}
