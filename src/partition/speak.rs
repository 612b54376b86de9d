//! Time, and what a home says when a reading or time has changed it: the half of [`Partition`] that makes alerts.

use super::arena::Slot;
use super::contain::contain;
use super::effects::{Decided, Effects};
use super::{Partition, believes};
use crate::alert::{Case, Transition, alert_id, decide};
use crate::detect::{HomeView, KINDS, OpenAlert};
use crate::model::{Alert, AlertKind, AlertState, BothLanguages, DAY, EventTime, Explanation, Finding, HouseholdId};

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
        while let Some((deadline, mut due)) = self.deadlines.take_before(now) {
            due.sort_by(|a, b| self.arena.id(*a).cmp(self.arena.id(*b)));
            due.dedup();
            for index in due {
                let slot = self.arena.slot_mut(index);
                if slot.noted != deadline {
                    continue; // Looked at already, because an earlier one was noted after it.
                }
                slot.noted = EventTime::ZERO;
                // It may have moved on since it was noted.
                if self.next_deadline(index, deadline) == Some(deadline) {
                    let after = deadline.plus(1);
                    // A detector that fails here fails on the next reading too, and is reported with it.
                    let _ = self.reconcile(index, None, after, None, effects);
                    self.schedule(index, after);
                } else {
                    self.schedule(index, deadline);
                }
            }
        }
    }

    /// Notes the home's next deadline from `now`, unless one as early is noted; one that was too early is looked at
    /// again. Late readings and other rules may bring a deadline nearer.
    pub(super) fn schedule(&mut self, index: u32, now: EventTime) {
        let Some(deadline) = self.next_deadline(index, now) else {
            return;
        };
        let noted = &mut self.arena.slot_mut(index).noted;
        if *noted == EventTime::ZERO || deadline < *noted {
            *noted = deadline;
            self.deadlines.note(deadline, index);
        }
    }

    /// When time alone may next change what is said of a home; not before `now`.
    fn next_deadline(&self, index: u32, now: EventTime) -> Option<EventTime> {
        let slot = self.arena.slot(index);
        let around = self.arena.names().around(slot, &self.rules);
        let state = slot.home.state();
        let view = state.view(&around, now);
        contain(|| state.detectors.next_deadline(&around.programme.detectors, &view)).unwrap_or_default()
    }

    /// Compares what the detectors say at `now` with what was said, and writes the difference. What was said is in no
    /// reading, so the home is among the next checkpoints. `because` has the words where something else than water or
    /// its absence ends an alert.
    ///
    /// # Errors
    /// The message of a detector that panicked; nothing is said then, and nothing changes.
    pub(super) fn reconcile(
        &mut self,
        index: u32,
        timestamp: Option<EventTime>,
        now: EventTime,
        because: Option<fn() -> Explanation>,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let slot = self.arena.slot(index);
        let around = self.arena.names().around(slot, &self.rules);
        let (state, detectors) = (slot.home.state(), &around.programme.detectors);
        let view = state.view(&around, now);
        let findings = contain(|| state.detectors.findings(detectors, &view))?;
        let (mut open, mut said) = (slot.open, Vec::new());
        for (bit, (kind, finding)) in KINDS.iter().zip(findings).enumerate() {
            let is_open = open & (1 << bit) != 0;
            if finding.is_none() && !is_open {
                continue;
            }
            for Transition { state: record, case } in decide(self.cases.get(&(index, *kind)), finding.as_ref()) {
                let decided_at = decided_at(slot, finding.as_ref(), &case, record);
                let words = if let Some(because) = because.filter(|_| record == AlertState::Resolved) {
                    because()
                } else {
                    let view = HomeView {
                        now: decided_at,
                        ..view
                    };
                    let about = OpenAlert {
                        kind: *kind,
                        rule: &case.rule,
                        since: case.since,
                        detected_at: case.detected_at,
                        severity: case.severity,
                        stage: case.stage,
                    };
                    contain(|| state.detectors.explain(detectors, &view, &about, record))?
                };
                open = if case.open { open | 1 << bit } else { open & !(1 << bit) };
                said.push((*kind, record, case, decided_at, words));
            }
        }
        for (kind, record, case, decided_at, words) in said {
            self.say(index, kind, record, case, decided_at, words, timestamp, effects);
        }
        self.arena.slot_mut(index).open = open;
        Ok(())
    }

    /// Writes one record of an alert, and keeps the case as it stands with it.
    #[expect(clippy::too_many_arguments, reason = "the fields of one record")]
    fn say(
        &mut self,
        index: u32,
        kind: AlertKind,
        state: AlertState,
        case: Case,
        decided_at: EventTime,
        words: Explanation,
        record_timestamp: Option<EventTime>,
        effects: &mut Effects,
    ) {
        let (slot, id, names) = (self.arena.slot(index), self.arena.id(index), self.arena.names());
        let alert = Alert {
            alert_id: alert_id(id, kind, case.identity_since),
            revision: case.revision,
            household_id: HouseholdId::new(id),
            kind,
            state,
            severity: case.severity,
            rule: case.rule.clone(),
            stage: case.stage,
            contact: None,
            next: None,
            zone: names.zone(slot, &self.rules),
            programme: names.around(slot, &self.rules).programme.name.clone(),
            since: case.since,
            detected_at: case.detected_at,
            decided_at,
            reason: words.reason.to_owned(),
            evidence: words.evidence,
            text: words.text,
        };
        effects.alerts.push(Decided {
            alert,
            record_timestamp,
        });
        self.cases.insert((index, kind), case);
        self.unsaved.urge(index);
    }

    /// Forgets all that is known of a home but its name; alerts that are open are resolved.
    pub(super) fn erase(&mut self, index: u32, effects: &mut Effects) {
        for kind in KINDS {
            let case = self.cases.get(&(index, *kind)).cloned();
            for Transition { state, case } in decide(case.as_ref(), None) {
                let decided_at = decided_at(self.arena.slot(index), None, &case, state);
                self.say(index, *kind, state, case, decided_at, erased(), None, effects);
            }
        }
        self.forget(index);
    }

    pub(super) fn forget(&mut self, index: u32) {
        for kind in KINDS {
            self.cases.remove(&(index, *kind));
        }
        *self.arena.slot_mut(index) = Slot::default();
    }
}

/// When a record could be known: with the reading that brought it, or at the deadline that passed without one.
fn decided_at(slot: &Slot, finding: Option<&Finding>, case: &Case, state: AlertState) -> EventTime {
    let known = slot.arrived;
    match (state, finding) {
        (AlertState::Resolved, _) | (_, None) => known.max(case.detected_at),
        (_, Some(finding)) => known.max(finding.detected_at),
    }
}

/// Why an alert is resolved that the rules of another programme had raised.
pub(super) fn rules_changed() -> Explanation {
    Explanation {
        reason: "programme_changed",
        text: BothLanguages {
            en: "The home is in another programme now; its rules are judged from the next reading on.".into(),
            zh: "该户已转入另一项目，自下一次读数起按新规则判断。".into(),
        },
        ..Explanation::default()
    }
}

/// Why an alert is resolved whose home is to be forgotten.
fn erased() -> Explanation {
    Explanation {
        reason: "erased",
        text: BothLanguages {
            en: "What was kept of this home has been erased; it is not known how its people are.".into(),
            zh: "该户的留存数据已删除；住户情况未知。".into(),
        },
        ..Explanation::default()
    }
}
