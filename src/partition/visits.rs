//! The daily list of homes to visit: made by the stream's own time, from what is known then.

use jiff::civil::Time;

use super::Partition;
use super::effects::Effects;
use super::rules::Programme;
use super::speak::open_kinds;
use crate::alert::alert_id;
use crate::model::{EventTime, HOUR, HouseholdId, OpenEntry, Response, Visit, VisitList};

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
    pub(super) fn make_visit_lists(&self, at: EventTime, effects: &mut Effects) {
        for (place, programme) in self.rules.programmes.iter().enumerate() {
            if programme.policy.visit_list.enabled && self.due(programme, at) == Some(at) {
                effects.visit_lists.extend(self.visit_list(place, programme, at));
            }
        }
    }

    /// The list of one programme; none where it has no home in this partition.
    fn visit_list(&self, place: usize, programme: &Programme, at: EventTime) -> Option<VisitList> {
        let settings = &programme.policy.visit_list;
        let mut is_there = false;
        let mut homes = Vec::new();
        for slot in self.arena.occupied() {
            if self.arena.slot(slot).profile.programme() != place || !self.is_watched(slot) {
                continue;
            }
            is_there = true;
            homes.extend(self.visit(slot, settings.dry_hours));
        }
        homes.sort_by_cached_key(Visit::pressing);
        let left_off = homes.len().saturating_sub(settings.at_most as usize);
        homes.truncate(settings.at_most as usize);
        let local = self.rules.time_zone.to_datetime(at.to_jiff());
        is_there.then(|| VisitList {
            programme: programme.name.clone(),
            day: local.date().to_string(),
            made_at: at,
            homes,
            left_off: u32::try_from(left_off).unwrap_or(u32::MAX),
        })
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
