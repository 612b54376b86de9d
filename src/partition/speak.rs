//! Time, and what a home says when a reading or time has changed it: the half of [`Partition`] that makes alerts.

use super::arena::HomeState;
use super::contain::contain;
use super::effects::{Decided, Effects};
use super::words;
use super::{Partition, believes};
use crate::alert::{Care, Case, Cause, Occasion, Transition, alert_id};
use crate::detect::{DetectorSettings, DetectorStates, HomeView, KINDS, OpenAlert};
use crate::model::{Alert, AlertKind, AlertState, DAY, EventTime, Explanation, HouseholdId};

impl Partition {
    /// Moves the log's clock on to an arrival. A jump far ahead is believed when a second record agrees with the first;
    /// whether it does follows from the records alone, not from any home's state, so that a replay that passes over
    /// homes keeps the same time.
    pub(super) fn keep_time(&mut self, arrival: EventTime, effects: &mut Effects) {
        if self.keep_log_time(arrival) {
            // Deadlines that passed before this reading are not decided by it, whoever moves the clock.
            self.move_clock(arrival, effects);
        }
    }

    pub(super) fn keep_log_time(&mut self, arrival: EventTime) -> bool {
        if arrival <= self.log_clock {
            return false;
        }
        let is_first = self.log_clock == EventTime::ZERO;
        let most = self.rules.home.max_jump_seconds;
        if !is_first && !believes(&mut self.log_jump, self.log_clock, arrival, most, DAY) {
            return false;
        }
        self.log_clock = arrival;
        true
    }

    /// Moves the clock, and lets homes speak whose deadline has passed, in the order of deadlines, then of ids: each at
    /// the moment after its deadline, so that it does not matter in which steps the clock moved.
    pub(super) fn move_clock(&mut self, now: EventTime, effects: &mut Effects) {
        if now <= self.clock {
            return;
        }
        let before = std::mem::replace(&mut self.clock, now);
        self.report_zones(before, effects);
        if self.visits_at == EventTime::ZERO {
            self.visits_at = self.next_visit_list(if before == EventTime::ZERO { now } else { before });
        }
        while self.visits_at < now {
            let at = self.visits_at;
            self.pass_deadlines(at.plus(1), effects);
            self.make_visit_lists(at, effects);
            self.visits_at = self.next_visit_list(at.plus(1));
        }
        self.pass_deadlines(now, effects);
    }

    /// Lets homes speak whose deadline lies before `now`.
    fn pass_deadlines(&mut self, now: EventTime, effects: &mut Effects) {
        while let Some((at, mut due)) = self.deadlines.take_before(now) {
            due.sort_by(|a, b| self.arena.id(*a).cmp(self.arena.id(*b)));
            due.dedup();
            for index in due {
                match self.turn(index) {
                    // It has spoken since, or was looked at because an earlier one was noted after this one.
                    Some(turn) if turn > at => self.deadlines.note(turn, index),
                    Some(_) => self.look(index, at, effects),
                    // Nothing is noted any more.
                    None => {}
                }
            }
        }
    }

    /// When it is a home's turn to speak for its deadline. A late reading, or a restart, looks again at deadlines that have
    /// passed: what was said since must not be taken back by the look of things before it, and the home comes as late among
    /// the others as if it had been looked at only then.
    fn turn(&mut self, index: u32) -> Option<EventTime> {
        let noted = self.arena.slot_mut(index).noted;
        (noted != EventTime::ZERO).then(|| noted.max(self.last_decided(index)))
    }

    /// Lets a home speak whose turn is at `at`.
    fn look(&mut self, index: u32, at: EventTime, effects: &mut Effects) {
        let mut deadline = std::mem::take(&mut self.arena.slot_mut(index).noted);
        let mut next = self.next_deadline(index, deadline);
        // It may have moved on since it was noted, and its turn still be now.
        while let Some(moved) = next.filter(|next| deadline < *next && *next <= at) {
            deadline = moved;
            next = self.next_deadline(index, deadline);
        }
        if next == Some(deadline) {
            let after = at.plus(1);
            // A detector that fails here fails on the next reading too, and is reported with it.
            let _ = self.reconcile(index, Occasion::Time, None, after, None, effects);
            self.schedule(index, after);
        } else if let Some(next) = next {
            self.note_deadline(index, next);
        }
    }

    /// Notes the home's next deadline from `now`, unless one as early is noted; one that was too early is looked at
    /// again. Late readings and other rules may bring a deadline nearer.
    pub(super) fn schedule(&mut self, index: u32, now: EventTime) {
        if let Some(deadline) = self.next_deadline(index, now) {
            self.note_deadline(index, deadline);
        }
    }

    fn note_deadline(&mut self, index: u32, deadline: EventTime) {
        let noted = &mut self.arena.slot_mut(index).noted;
        if *noted == EventTime::ZERO || deadline < *noted {
            *noted = deadline;
            // What is to come is later than what was said, and found to be otherwise when its time comes.
            let turn = self.turn(index).filter(|_| deadline < self.clock);
            self.deadlines.note(turn.unwrap_or(deadline), index);
        }
    }

    /// When time alone may next change what is said of a home; not before `now`.
    fn next_deadline(&self, index: u32, now: EventTime) -> Option<EventTime> {
        let slot = self.arena.slot(index);
        let around = self.arena.names().around(&slot, &self.rules);
        let state = slot.home.state();
        let view = state.view(&around, now);
        let detectors = contain(|| state.detectors.next_deadline(&around.programme.detectors, &view));
        let timer = self.next_timer(index, now);
        detectors.unwrap_or_default().into_iter().chain(timer).min()
    }

    /// The next timer of the alerts of a home, not before `from`.
    fn next_timer(&self, index: u32, from: EventTime) -> Option<EventTime> {
        let timer = |kind| {
            let care = self.care(index, kind, Occasion::Time, from);
            care.timer(&*self.case(index, kind)?, from)
        };
        open_kinds(self.arena.slot(index).open).filter_map(timer).min()
    }

    /// What the life of an alert of a home depends on.
    pub(super) fn care(&self, index: u32, kind: AlertKind, occasion: Occasion, now: EventTime) -> Care<'_> {
        let slot = self.arena.slot(index);
        let around = self.arena.names().around(&slot, &self.rules);
        Care {
            kind,
            policy: &around.programme.policy,
            time_zone: around.time_zone,
            now,
            occasion,
            is_muted: gives_way(kind) && open_kinds(slot.open).any(|open| open == AlertKind::Inactivity),
        }
    }

    /// Compares what the detectors say at `now` with what was said, and writes the difference. What was said is in no
    /// reading, so the home is among the next checkpoints. `because` has the words where something else than water or
    /// its absence ends an alert.
    ///
    /// Records are decided at the stream's time, at a deadline that passed at the deadline itself, and no record of a home
    /// before another of it or before what it follows from.
    ///
    /// # Errors
    /// The message of a detector that panicked; nothing is said then, and nothing changes.
    pub(super) fn reconcile(
        &mut self,
        index: u32,
        occasion: Occasion,
        timestamp: Option<EventTime>,
        now: EventTime,
        because: Option<fn() -> Explanation>,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let slot = self.arena.slot(index);
        let around = self.arena.names().around(&slot, &self.rules);
        let (state, programme) = (slot.home.state(), around.programme);
        let view = state.view(&around, now);
        let findings = contain(|| state.detectors.findings(&programme.detectors, &view))?;
        let reached = if occasion == Occasion::Time { now.minus(1) } else { now };
        let mut decided_at = None;
        let mut said = Vec::new();
        let mut is_inactive = false;
        for (bit, (kind, finding)) in KINDS.iter().zip(findings).enumerate() {
            if finding.is_none() && slot.open & (1 << bit) == 0 {
                continue;
            }
            let known = self.case(index, *kind);
            let known = known.as_deref();
            let at = *decided_at.get_or_insert_with(|| reached.max(self.last_decided(index)));
            let at = at.max(finding.as_ref().map_or(EventTime::ZERO, |finding| finding.detected_at));
            let care = Care {
                is_muted: gives_way(*kind) && is_inactive,
                ..self.care(index, *kind, occasion, at)
            };
            let open = known.filter(|case| case.open && finding.is_none() && because.is_none());
            let goes_on = open.map(|case| {
                let alert = about(*kind, case);
                contain(|| DetectorStates::goes_on(&programme.detectors, &view, &alert))
            });
            let mut transitions = match goes_on.transpose()? {
                Some(true) => Vec::new(),
                _ => care.decide(known, finding.as_ref()),
            };
            let mut due = transitions
                .last()
                .map(|last| &last.case)
                .or(known)
                .and_then(|case| care.escalate(case));
            while let Some(transition) = due.take() {
                due = care.escalate(&transition.case);
                transitions.push(transition);
            }
            let last = transitions.last().map(|last| &last.case).or(known);
            is_inactive |= *kind == AlertKind::Inactivity && last.is_some_and(|case| case.open);
            if !transitions.is_empty() {
                decided_at = Some(at);
            }
            let view = HomeView { now: at, ..view };
            for transition in transitions {
                let words = match because.filter(|_| transition.state == AlertState::Resolved) {
                    Some(because) => because(),
                    None => contain(|| explain(state, &programme.detectors, &view, *kind, &transition))?,
                };
                let words = match occasion {
                    Occasion::Reading => words::with_lateness(words, &view, &transition),
                    _ => words,
                };
                said.push((*kind, transition, words));
            }
        }
        drop(slot);
        for (kind, transition, words) in said {
            self.say(index, kind, transition, words, timestamp, effects);
        }
        Ok(())
    }

    /// Writes one record of an alert, and keeps the case as it stands with it.
    pub(super) fn say(
        &mut self,
        index: u32,
        kind: AlertKind,
        transition: Transition,
        words: Explanation,
        record_timestamp: Option<EventTime>,
        effects: &mut Effects,
    ) {
        let Transition {
            state,
            cause,
            case,
            contact,
        } = transition;
        let words = words.readable();
        let (slot, id, names) = (self.arena.slot(index), self.arena.id(index), self.arena.names());
        let around = names.around(&slot, &self.rules);
        let care = self.care(index, kind, Occasion::Beside, case.decided_at);
        let alert = Alert {
            alert_id: alert_id(id, kind, case.identity_since),
            revision: case.revision,
            household_id: HouseholdId::new(id),
            kind,
            state,
            severity: case.severity,
            rule: case.rule.clone(),
            stage: case.stage,
            contact,
            next: care.next(&case),
            response: case.response.filter(|_| cause == Cause::Response),
            zone: names.zone(&slot, &self.rules),
            programme: around.programme.name.clone(),
            since: case.since,
            detected_at: case.detected_at,
            decided_at: case.decided_at,
            reason: words.reason.to_owned(),
            evidence: words.evidence,
            text: words.text,
        };
        drop(slot);
        effects.alerts.push(Decided {
            alert,
            record_timestamp,
        });
        let (bit, decided_at) = (
            KINDS.iter().position(|known| *known == kind).map_or(0, |bit| 1 << bit),
            case.decided_at,
        );
        let open = &mut self.arena.slot_mut(index).open;
        *open = if case.open { *open | bit } else { *open & !bit };
        self.keep_case(index, kind, case);
        self.unsaved.urge(index);
        // Not before this record: homes are never looked at as of a time that has passed, or what time has raised would be
        // taken back.
        if let Some(timer) = self.next_timer(index, decided_at) {
            self.note_deadline(index, timer);
        }
    }

    /// Ends every open alert of a home whose state is to be forgotten, with `words`.
    pub(super) fn end_all(&mut self, index: u32, words: fn() -> Explanation, effects: &mut Effects) {
        for kind in KINDS {
            let Some(case) = self.cases.get(&(index, *kind)).filter(|case| case.open) else {
                continue;
            };
            let now = self.clock.max(self.last_decided(index));
            let transition = self.care(index, *kind, Occasion::Beside, now).resolve(case, None);
            self.say(index, *kind, transition, words(), None, effects);
        }
    }

    /// Forgets all that is known of a home but its name and its profile.
    pub(super) fn forget(&mut self, index: u32) {
        for kind in KINDS {
            self.cases.remove(&(index, *kind));
        }
        self.arena.clear(index);
    }
}

/// The kinds of the alerts that are open.
pub(super) fn open_kinds(open: u16) -> impl Iterator<Item = AlertKind> {
    KINDS
        .iter()
        .enumerate()
        .filter(move |(bit, _)| open & (1 << bit) != 0)
        .map(|(_, kind)| *kind)
}

/// Whether nobody is told by an alert of this kind while one of inactivity is open: it asks for the same, of the same home.
fn gives_way(kind: AlertKind) -> bool {
    kind == AlertKind::NoReturn
}

/// What a record says: the detector's numbers, and why it is written.
fn explain(
    state: &HomeState,
    detectors: &DetectorSettings,
    view: &HomeView<'_>,
    kind: AlertKind,
    transition: &Transition,
) -> Explanation {
    let about = about(kind, &transition.case);
    let said = state.detectors.explain(detectors, view, &about, transition.state);
    words::with_cause(said, transition)
}

fn about(kind: AlertKind, case: &Case) -> OpenAlert<'_> {
    OpenAlert {
        kind,
        rule: &case.rule,
        since: case.since,
        detected_at: case.detected_at,
        severity: case.severity,
        stage: case.stage,
    }
}
