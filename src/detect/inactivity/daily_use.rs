//! Use at a time of day at which there is use every day: a machine may draw it, and it is no sign of life for certain.
//!
//! A boiler that is topped up, a garden that is watered, a softener: one draw a day begins every dry spell anew, so that no rule of
//! a spell's length is ever met. What is drawn so is told from people by its hour alone; volumes of such machines differ.
//! Limits: hours are those of UTC, so that for two weeks after the clocks change a machine that keeps them is not known for one; nor is
//! one that draws less often than daily.

use serde_json::{Map, Value, json};

use super::HomeView;
use crate::detect::OpenAlert;
use crate::detect::words::{local_time, span_zh};
use crate::home::Routine;
use crate::model::{AlertState, BothLanguages, EventTime, Explanation, HOUR, format_span};

/// Days that are looked at before a use, and on how many of them there was use in the same hour.
const DAYS: u32 = 14;
const NEARLY_ALL: usize = 12;
/// On so many of these days somebody used water at other hours, too: who lives by the clock may use it at one hour only.
const LIVED_IN: usize = 10;
const DAY_HOURS: u32 = 24;

/// Whether the last `hours` hours before hour `next` had use, and only such as comes daily, in one hour of the day or in two that follow
/// each other; `None` where that is not known of all of them, or none had use: that says nothing new.
pub(super) fn only_daily_use(routine: &Routine, hours: u32, next: u32) -> Option<bool> {
    let first = next.checked_sub(hours)?;
    let (mut of_day, mut is_known): (u32, bool) = (0, true);
    for hour in first..next {
        match routine.used(hour) {
            Some(true) => of_day |= 1 << (hour % DAY_HOURS),
            Some(false) => {}
            None => is_known = false,
        }
    }
    let is_in_a_row = (0..DAY_HOURS).any(|first| of_day & !(1 << first | 1 << ((first + 1) % DAY_HOURS)) == 0);
    let mut used = (first..next).filter(|hour| routine.used(*hour) == Some(true));
    // Weeks are looked at only where a day had so little: in most homes it has not.
    let is_only_daily =
        is_in_a_row && used.all(|hour| is_daily(routine, hour)) && (of_day == 0 || is_lived_in(routine, of_day, first));
    if !is_only_daily {
        return Some(false);
    }
    (is_known && of_day != 0).then_some(true)
}

/// Whether on most days before hour `next` there was use in other hours than those `of_day`.
fn is_lived_in(routine: &Routine, of_day: u32, next: u32) -> bool {
    let is_other = |hour: u32| of_day >> (hour % DAY_HOURS) & 1 == 0 && routine.used(hour) == Some(true);
    let days = (1..=DAYS).filter_map(|days| next.checked_sub(days * DAY_HOURS));
    let lived_in = days.filter(|start| (*start..start + DAY_HOURS).any(is_other));
    lived_in.count() >= LIVED_IN
}

fn is_daily(routine: &Routine, hour: u32) -> bool {
    let before = (1..=DAYS).filter_map(|days| routine.used(hour.checked_sub(days * DAY_HOURS)?));
    before.filter(|used| *used).count() >= NEARLY_ALL
}

/// Why, in numbers and words; `None` where something else than a use has ended it.
pub(super) fn explain(
    hours: u32,
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
    record: AlertState,
) -> Option<Explanation> {
    let (usage, next) = (home.usage, home.usage.next_hour());
    let span = usage.frontier().since(alert.since);
    let since = local_time(alert.since, usage.frontier(), home.time_zone);
    let drawn = (alert.since.hour()..next).filter(|hour| usage.routine().used(*hour) == Some(true));
    let last = drawn.clone().next_back().map(EventTime::from_hour);
    let mut evidence = Map::new();
    evidence.insert("rule_hours".into(), json!(hours));
    evidence.insert("only_daily_use_since".into(), json!(alert.since));
    evidence.insert("hours_with_daily_use".into(), json!(drawn.count()));
    evidence.insert("daily_use_at".into(), last.map_or(Value::Null, |last| json!(last)));
    evidence.insert("last_use_ended_at".into(), json!(usage.last_sign()));
    evidence.insert("measured_until".into(), json!(usage.frontier()));
    let is_over = only_daily_use(usage.routine(), hours, next) == Some(false);
    let (reason, en, zh) = match (record, last) {
        (AlertState::Resolved, _) if is_over => (
            "use_returned",
            format!("Water is used again at other hours than at which it is used daily; since {since} it was not."),
            format!("每日固定时刻以外已恢复用水；此前自{since}起没有。"),
        ),
        (AlertState::Resolved, _) => return None,
        (_, Some(last)) => {
            let at = local_time(last, usage.frontier(), home.time_zone);
            (
                "only_daily_use",
                format!(
                    "Since {since}, {}, water was used only in an hour in which it is used nearly every day (last at {at}): by a machine, or by habit.",
                    format_span(span)
                ),
                format!(
                    "自{since}起{}，仅在几乎每日都有用水的时刻用水（最近一次{at}），可能是设备或习惯用水。",
                    span_zh(span)
                ),
            )
        }
        // By now the daily use is missing, too.
        (_, None) => (
            "only_daily_use",
            format!("No water since {since}, {}.", format_span(span)),
            format!("自{since}起{}无用水。", span_zh(span)),
        ),
    };
    Some(Explanation {
        reason,
        evidence,
        text: BothLanguages { en, zh },
    })
}

/// The condition's moment: it holds from the end of `hour` on, of what began so many hours before.
pub(super) fn judge(hours: u32, hour: u32, home: &HomeView<'_>) -> Option<(bool, EventTime)> {
    let since = EventTime::from_hour(hour + 1).minus(hours * HOUR);
    let only_daily = only_daily_use(home.usage.routine(), hours, hour + 1)?;
    // What people did while they were away, or after they were heard of, this rule does not ask.
    let is_excused = only_daily && home.excused_until() > since;
    (!is_excused).then_some((only_daily, since))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::settings::Condition;
    use crate::detect::tests::{Watched, rule, with_rules};
    use crate::model::Severity;

    fn home() -> Watched {
        let only_daily = Condition::OnlyDailyUse { hours: 24 };
        let day = Condition::NoUse { hours: 24.0 };
        let rules = vec![
            rule("no-use-24h", Severity::Critical, day),
            rule("only-daily-use-24h", Severity::High, only_daily),
        ];
        Watched::new(with_rules(rules), "UTC", "2024-03-04T00:00:00Z")
    }

    /// A person gets up at seven or eight, and uses water in two other hours of the day; something else draws in `machine` hours.
    fn lived(home: &mut Watched, days: u32, machine: &[u32]) {
        home.hours((0..days * 24).map(|hour| {
            let (day, hour) = (hour / 24, hour % 24);
            let is_used = [7 + day % 2, 14 + day % 3, 19 + day % 4].contains(&hour);
            f64::from(u8::from(is_used)) * f64::from(6 + day * 5 % 11) + if machine.contains(&hour) { 3.0 } else { 0.0 }
        }));
    }

    fn machine_alone(home: &mut Watched, days: u32, machine: &[u32]) {
        home.hours((0..days * 24).map(|hour| if machine.contains(&(hour % 24)) { 3.0 } else { 0.0 }));
    }

    #[test]
    fn a_machine_that_draws_every_day_hides_nobody_who_fell() {
        let mut home = home();
        home.with_words = true;
        lived(&mut home, 16, &[12]);
        assert_eq!(home.told, "");
        machine_alone(&mut home, 2, &[12]);
        home.hours([0.0, 7.0]);
        expect![[r#"
            Wed 23:00 inactivity Raised (High, only-daily-use-24h) since Tue 23:00: only_daily_use
                Since 2024-03-19 23:00, 24 h, water was used only in an hour in which it is used nearly every day (last at 12:00): by a machine, or by habit.
                自2024-03-19 23:00起24小时，仅在几乎每日都有用水的时刻用水（最近一次12:00），可能是设备或习惯用水。
            Fri 02:00 inactivity Resolved (High, only-daily-use-24h) since Tue 23:00: use_returned
                Water is used again at other hours than at which it is used daily; since 2024-03-19 23:00 it was not.
                每日固定时刻以外已恢复用水；此前自2024-03-19 23:00起没有。
        "#]].assert_eq(&home.told);
    }

    #[test]
    fn that_the_machine_stops_as_well_ends_nothing_and_a_use_does_though_an_hour_is_lost() {
        let only_daily = Condition::OnlyDailyUse { hours: 24 };
        let rules = vec![rule("only-daily-use-24h", Severity::High, only_daily)];
        let mut home = Watched::new(with_rules(rules), "UTC", "2024-03-04T00:00:00Z");
        lived(&mut home, 16, &[12]);
        machine_alone(&mut home, 2, &[12]);
        home.hours([0.0; 40]);
        assert_eq!(home.told.lines().count(), 1, "{}", home.told);
        home.lose(1);
        home.hours([0.0, 9.0]);
        assert!(home.told.ends_with("use_returned\n"), "{}", home.told);
    }

    #[test]
    fn a_rule_of_hours_that_joins_speaks_of_the_time_since_the_last_draw() {
        let mut home = home();
        home.with_words = true;
        lived(&mut home, 16, &[12]);
        machine_alone(&mut home, 2, &[12]);
        home.told.clear();
        home.hours([0.0; 30]);
        assert!(home.told.contains("no-use-24h"), "{}", home.told);
        assert!(
            home.told.contains("No water since 2024-03-21 13:00, 24 h."),
            "{}",
            home.told
        );
        home.told.clear();
        home.hours([0.0; 40]);
        home.hours([8.0]);
        let end = "it was dry since 2024-03-21 13:00, for at most ";
        assert!(home.told.contains(end), "{}", home.told);
        assert!(!home.told.contains("already"), "{}", home.told);
    }

    #[test]
    fn the_rule_that_holds_is_said_when_a_use_ends_the_one_that_was_and_that_one_when_it_is_met_anew() {
        let only_daily = Condition::OnlyDailyUse { hours: 24 };
        let half_day = Condition::NoUse { hours: 12.0 };
        let rules = vec![
            rule("no-use-12h", Severity::High, half_day),
            rule("only-daily-use-24h", Severity::High, only_daily),
        ];
        let mut home = Watched::new(with_rules(rules), "UTC", "2024-03-04T00:00:00Z");
        home.with_words = true;
        lived(&mut home, 16, &[12]);
        machine_alone(&mut home, 2, &[12]);
        home.told.clear();
        // Now the machine stops as well.
        machine_alone(&mut home, 1, &[12]);
        home.hours([0.0; 40]);
        home.hours([7.0]);
        expect![[r#"
            Fri 01:00 inactivity Updated (High, no-use-12h) since Tue 23:00: still_no_sign_of_life
                No water since 13:00, 12 h. At this hour 94.1 % of this home's dry spells have ended (16 of 17). Half of them had ended by 15:00. The longest within a day was 23 h in 18 days.
                自13:00起12小时无用水。此时段该户94.1%的无用水时段此刻已结束（17次中的16次）。其中半数在15:00前结束。近18天一日内最长为23小时。
            Fri 13:00 inactivity Updated (High, only-daily-use-24h) since Tue 23:00: only_daily_use
                Since 2024-03-19 23:00, 2 d 14 h, water was used only in an hour in which it is used nearly every day (last at 12:00): by a machine, or by habit.
                自2024-03-19 23:00起2天14小时，仅在几乎每日都有用水的时刻用水（最近一次12:00），可能是设备或习惯用水。
            Sat 01:00 inactivity Updated (High, no-use-12h) since Tue 23:00: still_no_sign_of_life
                No water since 13:00, 12 h. At this hour 88.9 % of this home's dry spells have ended (16 of 18). Half of them had ended by 15:00. The longest within a day was 23 h in 19 days.
                自13:00起12小时无用水。此时段该户88.9%的无用水时段此刻已结束（18次中的16次）。其中半数在15:00前结束。近19天一日内最长为23小时。
            Sun 17:00 inactivity Resolved (High, no-use-12h) since Tue 23:00: use_returned
                Water is used again, by 17:00; it was dry since 2024-03-22 13:00, for at most 2 d 4 h.
                17:00前已恢复用水；此前自2024-03-22 13:00起无用水，至多2天4小时。
        "#]].assert_eq(&home.told);
    }

    #[test]
    fn who_uses_water_at_one_hour_only_lives_by_the_clock() {
        let mut home = home();
        machine_alone(&mut home, 40, &[7]);
        assert_eq!(home.told, "");
    }

    #[test]
    fn it_may_run_in_two_hours_that_follow_each_other_also_about_midnight() {
        for machine in [[12, 13], [23, 0]] {
            let mut home = home();
            lived(&mut home, 16, &machine);
            machine_alone(&mut home, 3, &machine);
            assert!(home.told.contains("only-daily-use-24h"), "{machine:?}: {}", home.told);
        }
    }

    #[test]
    fn two_times_of_day_are_a_life_and_what_is_not_known_is_no_reason() {
        let mut home = home();
        lived(&mut home, 16, &[6, 12]);
        machine_alone(&mut home, 3, &[6, 12]);
        assert_eq!(home.told, "");
        let mut home = self::home();
        lived(&mut home, 16, &[12]);
        for _ in 0..3 {
            home.hours((0..20).map(|hour| if hour == 12 { 3.0 } else { 0.0 }));
            home.lose(4);
        }
        assert_eq!(home.told, "");
    }

    #[test]
    fn in_an_hour_that_is_used_on_fewer_days_it_may_have_been_a_person() {
        let mut home = home();
        lived(&mut home, 11, &[]);
        lived(&mut home, 11, &[12]);
        // On the first of these days it was used on 11 of the 14 before, on the second on 12.
        machine_alone(&mut home, 1, &[12]);
        home.hours([0.0; 12]);
        assert_eq!(home.told, "");
        home.hours([3.0]);
        assert!(home.told.contains("only-daily-use-24h"), "{}", home.told);
    }
}
