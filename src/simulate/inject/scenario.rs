//! What may happen in a home.

use std::fmt;
use std::str::FromStr;

/// Something that happens in a home, with the flow it is about in tenths of litres an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// Use stops for 72 hours.
    Emergency,
    /// The same, while a leak runs that began three days before.
    EmergencyUnderLeak(u32),
    /// The same, while a cistern of so many tenths of a litre fills again every 25 minutes.
    EmergencyUnderRefills(u32),
    /// The same, while a leak runs that is greatest in the night, when pressure is.
    EmergencyUnderSwingingLeak(u32),
    /// A draw goes on for one to three hours, then use stops for 72 hours.
    EmergencyInBath,
    /// Over six weeks more and more uses fail to come, up to half of them; four weeks later all is as before.
    Decline,
    /// Water runs for a week.
    Leak(u32),
    /// Water runs for a week in 50 to 90 of a day's quarter-hours.
    IntermittentLeak(u32),
    /// Water runs for a week, 20 minutes in every hour.
    Toilet(u32),
    /// 1,500 L/h for three hours.
    Burst,
    /// 600 L/h for two to four hours: a tap left open.
    ProlongedDraw,
    /// Nobody is there for two to seven days.
    Absence,
    /// The same, and the programme was told; once a home, as a record of a home has one absence.
    DeclaredAbsence,
    /// No water for a zone, for three to twelve hours.
    AreaOutage,
    /// Another meter in the place of the first one, its register near zero.
    SwappedMeter,
}

impl Scenario {
    /// As the command names them, with a flow where one belongs to it.
    pub const EXAMPLES: &str = "emergency, emergency-under-leak:5, emergency-under-refills:8, emergency-under-swinging-leak:20, \
        emergency-in-bath, decline, leak:2, intermittent-leak:20, toilet:60, burst, prolonged-draw, absence, declared-absence, area-outage, swapped-meter";

    /// The kind that its label bears.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Emergency
            | Self::EmergencyUnderLeak(_)
            | Self::EmergencyUnderRefills(_)
            | Self::EmergencyUnderSwingingLeak(_)
            | Self::EmergencyInBath => "emergency",
            Self::Decline => "decline",
            Self::Leak(_) | Self::IntermittentLeak(_) | Self::Toilet(_) => "leak",
            Self::Burst => "burst",
            Self::ProlongedDraw => "prolonged_draw",
            Self::Absence | Self::DeclaredAbsence => "absence",
            Self::AreaOutage => "area_outage",
            Self::SwappedMeter => "swapped_meter",
        }
    }
}

/// A name that is none of a scenario's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: not one of {examples}, with the flow in L/h (of refills the litres of each) where one is shown", examples = Scenario::EXAMPLES)]
pub struct UnknownScenario(String);

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownScenario(text.to_owned());
        let (name, flow) = match text.split_once(':') {
            Some((name, flow)) => (name, Some(flow.parse::<f64>().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let flow = flow.map(|litres| (litres * 10.0).round());
        if flow.is_some_and(|tenths| !(1.0..=1e6).contains(&tenths)) {
            return Err(unknown());
        }
        match (name, flow.map(|tenths| tenths as u32)) {
            ("emergency", None) => Ok(Self::Emergency),
            ("emergency-under-leak", Some(flow)) => Ok(Self::EmergencyUnderLeak(flow)),
            ("emergency-under-refills", Some(litres)) => Ok(Self::EmergencyUnderRefills(litres)),
            ("emergency-under-swinging-leak", Some(flow)) => Ok(Self::EmergencyUnderSwingingLeak(flow)),
            ("emergency-in-bath", None) => Ok(Self::EmergencyInBath),
            ("decline", None) => Ok(Self::Decline),
            ("leak", Some(flow)) => Ok(Self::Leak(flow)),
            ("intermittent-leak", Some(flow)) => Ok(Self::IntermittentLeak(flow)),
            ("toilet", Some(flow)) => Ok(Self::Toilet(flow)),
            ("burst", None) => Ok(Self::Burst),
            ("prolonged-draw", None) => Ok(Self::ProlongedDraw),
            ("absence", None) => Ok(Self::Absence),
            ("declared-absence", None) => Ok(Self::DeclaredAbsence),
            ("area-outage", None) => Ok(Self::AreaOutage),
            ("swapped-meter", None) => Ok(Self::SwappedMeter),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, flow) = match self {
            Self::Emergency => ("emergency", None),
            Self::EmergencyUnderLeak(flow) => ("emergency-under-leak", Some(flow)),
            Self::EmergencyUnderRefills(litres) => ("emergency-under-refills", Some(litres)),
            Self::EmergencyUnderSwingingLeak(flow) => ("emergency-under-swinging-leak", Some(flow)),
            Self::EmergencyInBath => ("emergency-in-bath", None),
            Self::Decline => ("decline", None),
            Self::Leak(flow) => ("leak", Some(flow)),
            Self::IntermittentLeak(flow) => ("intermittent-leak", Some(flow)),
            Self::Toilet(flow) => ("toilet", Some(flow)),
            Self::Burst => ("burst", None),
            Self::ProlongedDraw => ("prolonged-draw", None),
            Self::Absence => ("absence", None),
            Self::DeclaredAbsence => ("declared-absence", None),
            Self::AreaOutage => ("area-outage", None),
            Self::SwappedMeter => ("swapped-meter", None),
        };
        match flow {
            Some(tenths) => write!(f, "{name}:{}", f64::from(*tenths) / 10.0),
            None => f.write_str(name),
        }
    }
}
