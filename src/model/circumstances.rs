//! What is known of a home from beside its readings: who lives there, when they are away, other signs of life.

use serde::{Deserialize, Serialize};

use super::EventTime;

/// Who lives in a home.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HouseholdKind {
    /// Not said.
    #[default]
    Unknown,
    /// One person.
    OnePerson,
    /// Older people, two or more.
    OlderPeople,
    /// A family, or several people of any age.
    Family,
}

/// What showed that somebody lives, besides water. Its absence says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignKind {
    /// Somebody switched something on.
    Electricity,
    /// A door was opened.
    Door,
    /// The telephone was used.
    Phone,
    /// The button of a telecare device was pressed.
    Button,
    /// A carer was there.
    Visit,
    /// The person answered a call or a message.
    Answer,
    /// The people said that they are back.
    Back,
}

impl SignKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Electricity,
        Self::Door,
        Self::Phone,
        Self::Button,
        Self::Visit,
        Self::Answer,
        Self::Back,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Electricity => "electricity",
            Self::Door => "door",
            Self::Phone => "phone",
            Self::Button => "button",
            Self::Visit => "visit",
            Self::Answer => "answer",
            Self::Back => "back",
        }
    }

    /// Whether only the person can have given it, at home.
    pub const fn is_the_persons(self) -> bool {
        matches!(self, Self::Button | Self::Answer | Self::Back)
    }
}

/// The last sign of life besides water.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// What it was.
    pub kind: SignKind,
    /// When it was.
    pub at: EventTime,
    /// Until when it speaks for the person: `at`, or later where the programme lets it suspend the dry spell.
    pub until: EventTime,
}

/// A declared absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absence {
    /// The first moment of it.
    pub from: EventTime,
    /// The first moment after it; none while nobody knows.
    #[serde(default)]
    pub to: Option<EventTime>,
}

impl Absence {
    /// Whether people are away at `moment`.
    pub fn covers(&self, moment: EventTime) -> bool {
        self.from <= moment && self.to.is_none_or(|to| moment < to)
    }

    /// The same, over by `moment` if it began before.
    #[must_use]
    pub fn ended_by(self, moment: EventTime) -> Self {
        let goes_on = self.from < moment && self.to.is_none_or(|to| moment < to);
        let to = if goes_on { Some(moment) } else { self.to };
        Self { to, ..self }
    }
}

/// An interruption of a home's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When it began.
    pub from: EventTime,
    /// When it ended; none while it goes on.
    pub to: Option<EventTime>,
}

impl Outage {
    /// Whether it had begun before `moment` and was not over.
    pub fn is_on_at(&self, moment: EventTime) -> bool {
        self.from < moment && self.to.is_none_or(|to| moment < to)
    }
}

/// What is known of a home from beside its readings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Circumstances {
    /// Who lives there.
    pub kind: HouseholdKind,
    /// How often the meter is to deliver, in seconds; none where nobody said.
    pub upload_seconds: Option<u32>,
    /// Hours without use that this person's own rule allows; none where the programme's rules hold.
    pub no_use_hours: Option<f32>,
    /// The permanent flow rate Q3 of its meter, in litres an hour; none where nobody said.
    pub q3_litres_per_hour: Option<f32>,
    /// The last absence that was declared.
    pub absence: Option<Absence>,
    /// The last sign of life besides water.
    pub sign: Option<Sign>,
    /// One of an earlier hour.
    pub earlier_sign: Option<EventTime>,
    /// The last outage of supply in its zone.
    pub outage: Option<Outage>,
    /// The last time that the meters of its zone fell silent together.
    pub silence: Option<Outage>,
}

impl Circumstances {
    /// When the silence of a meter that was last heard at `heard` is due to be reported, as it stands at `moment`, if
    /// `allowed` seconds of it are. Where the meters of its zone fell silent together before that, it counts from their end.
    pub fn silence_due(&self, heard: EventTime, allowed: u32, moment: EventTime) -> EventTime {
        let due = heard.plus(allowed);
        match self.silence.filter(|zone| zone.from < due) {
            Some(zone) => due.max(zone.to.unwrap_or(moment).min(moment).plus(allowed)),
            None => due,
        }
    }

    /// Until when a lack of water says nothing of the person, as it stands at `moment`: the last sign, the end of an
    /// absence, the return of supply; `moment` itself while one of them goes on.
    pub fn excused_until(&self, moment: EventTime) -> EventTime {
        let sign = self.sign.map_or(EventTime::ZERO, |sign| sign.until);
        let stretch = |from: EventTime, to: Option<EventTime>| {
            let begun = from <= moment;
            if begun { to.unwrap_or(moment) } else { EventTime::ZERO }
        };
        let absence = self
            .absence
            .map_or(EventTime::ZERO, |absence| stretch(absence.from, absence.to));
        let outage = self
            .outage
            .map_or(EventTime::ZERO, |outage| stretch(outage.from, outage.to));
        sign.max(absence).max(outage).min(moment)
    }
}
