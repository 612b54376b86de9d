//! The daily list of homes to visit: made by the stream's own time, from what is known then.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Time;

use super::Partition;
use super::effects::Effects;
use super::rules::Programme;
use super::speak::open_kinds;
use crate::alert::alert_id;
use crate::model::{DAY, EventTime, HOUR, HouseholdId, OpenEntry, Response, Visit, VisitList};

impl Partition {
    /// The first moment from `from` on at which a list is due; never where no programme has one.
    pub(super) fn next_visit_list(&self, from: EventTime) -> EventTime {
        let lists = self
            .rules
            .programmes
            .iter()
            .filter(|programme| programme.policy.visit_list.enabled);
        let due = lists.filter_map(|programme| self.due(programme, from));
        due.min().unwrap_or(EventTime::MAX)
    }

    fn due(&self, programme: &Programme, from: EventTime) -> Option<EventTime> {
        let zone = &self.rules.time_zone;
        let at = Time::new(i8::try_from(programme.policy.visit_list.at_hour).ok()?, 0, 0, 0).ok()?;
        let today = zone.to_datetime(from.to_jiff()).date();
        [today, today.tomorrow().ok()?].into_iter().find_map(|day| {
            let moment = zone.to_ambiguous_timestamp(day.to_datetime(at)).compatible().ok()?;
            EventTime::from_unix(moment.as_second()).filter(|moment| *moment >= from)
        })
    }

    /// Makes the lists that are due at `at`.
    pub(super) fn make_visit_lists(&mut self, at: EventTime, effects: &mut Effects) {
        let rules = Arc::clone(&self.rules);
        for (place, programme) in rules.programmes.iter().enumerate() {
            if programme.policy.visit_list.enabled && self.due(programme, at) == Some(at) {
                let (list, is_there) = self.visit_list(place, programme, at, at);
                effects.visit_lists.extend(is_there.then_some(list));
            }
        }
    }

    /// The same for a programme that the rules may not have any more.
    pub(super) fn list_named_anew(&mut self, name: &Arc<str>, effects: &mut Effects) {
        match self
            .rules
            .programmes
            .iter()
            .position(|programme| programme.name == *name)
        {
            Some(place) => self.list_anew(place, effects),
            None => effects.visit_lists.push(self.empty_visit_list(name)),
        }
    }

    /// Makes the last list of a programme anew, because it names a home that it must not name any more.
    pub(super) fn list_anew(&mut self, place: usize, effects: &mut Effects) {
        let rules = Arc::clone(&self.rules);
        let Some(programme) = rules.programmes.get(place) else {
            return;
        };
        let list = if programme.policy.visit_list.enabled {
            self.visit_list(place, programme, self.last_due(programme), self.clock)
                .0
        } else {
            self.empty_visit_list(&programme.name)
        };
        effects.visit_lists.push(list);
    }

    /// A list that takes the place of the last one of a programme that has none any more.
    fn empty_visit_list(&self, programme: &Arc<str>) -> VisitList {
        VisitList {
            programme: Arc::clone(programme),
            day: self
                .rules
                .time_zone
                .to_datetime(self.clock.to_jiff())
                .date()
                .to_string(),
            made_at: self.clock,
            homes: Vec::new(),
            left_off: 0,
        }
    }

    /// When the last list was due.
    fn last_due(&self, programme: &Programme) -> EventTime {
        let next = |from| self.due(programme, from).filter(|at| *at < self.clock);
        let all = std::iter::successors(next(self.clock.minus(3 * DAY)), |at| next(at.plus(1)));
        all.last().unwrap_or(self.clock)
    }

    /// The list of one programme for the day of `due`, and whether it has a home in this partition. Homes that are named,
    /// or no longer are, are stored with it.
    fn visit_list(
        &mut self,
        place: usize,
        programme: &Programme,
        due: EventTime,
        made_at: EventTime,
    ) -> (VisitList, bool) {
        let settings = &programme.policy.visit_list;
        let is_of_it = |slot: &u32| self.arena.slot(*slot).profile.programme() == place && self.is_watched(*slot);
        let slots: Vec<u32> = self.arena.occupied().filter(is_of_it).collect();
        let visits = slots
            .iter()
            .filter_map(|slot| Some((*slot, self.visit(*slot, settings.dry_hours)?)));
        let mut visits: Vec<(u32, Visit)> = visits.collect();
        visits.sort_by_cached_key(|(_, visit)| visit.pressing());
        let left_off = visits.len().saturating_sub(settings.at_most as usize);
        visits.truncate(settings.at_most as usize);
        let named: BTreeSet<u32> = visits.iter().map(|(slot, _)| *slot).collect();
        for slot in &slots {
            let (listed, is_named) = (&mut self.arena.slot_mut(*slot).listed, named.contains(slot));
            if std::mem::replace(listed, is_named) != is_named {
                self.unsaved.urge(*slot);
            }
        }
        let local = self.rules.time_zone.to_datetime(due.to_jiff());
        let list = VisitList {
            programme: programme.name.clone(),
            day: local.date().to_string(),
            made_at,
            homes: visits.into_iter().map(|(_, visit)| visit).collect(),
            left_off: u32::try_from(left_off).unwrap_or(u32::MAX),
        };
        (list, !slots.is_empty())
    }

    /// Why a home should be visited, if it should.
    fn visit(&self, index: u32, dry_hours: u32) -> Option<Visit> {
        let (slot, id) = (self.arena.slot(index), self.arena.id(index));
        let cases = open_kinds(slot.open).filter_map(|kind| Some((kind, self.cases.get(&(index, kind))?)));
        let mut severity = None;
        let mut open = Vec::new();
        for (kind, case) in cases {
            severity = severity.max(Some(case.severity));
            open.push(OpenEntry {
                kind,
                alert_id: alert_id(id, kind, case.identity_since),
                since: case.since,
                acknowledged: case.response == Some(Response::Acknowledged),
            });
        }
        let around = self.arena.names().around(&slot, &self.rules);
        let view = slot.home.state().view(&around, self.clock);
        let (dry_since, frontier) = (view.dry_since(), view.usage.frontier());
        let is_dry = dry_since.is_some_and(|since| dry_hours > 0 && frontier.since(since) >= dry_hours * HOUR);
        (is_dry || !open.is_empty()).then(|| Visit {
            household_id: HouseholdId::new(id),
            zone: self.arena.names().zone(&slot, &self.rules),
            severity,
            open,
            dry_since,
            measured_until: frontier,
        })
    }
}
