//! Names by number, each kept for as long as somebody uses it: homes refer to them in two bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rules::HomeError;

/// The longest name, in bytes.
const LONGEST: usize = 128;

/// Names with what belongs to each. Numbers begin at 1; 0 is for none.
pub(super) struct Table<T> {
    entries: Vec<Entry<T>>,
    numbers: BTreeMap<Arc<str>, u16>,
    /// Places in `entries` that nobody uses.
    free: Vec<u16>,
    most: u16,
}

struct Entry<T> {
    name: Arc<str>,
    value: Option<T>,
    uses: u32,
}

impl<T> Table<T> {
    /// An empty table for so many names.
    pub fn of(most: u16) -> Self {
        Self {
            entries: Vec::new(),
            numbers: BTreeMap::new(),
            free: Vec::new(),
            most,
        }
    }

    /// Whether it has no name.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The number of a name for one more use of it; `new` makes what belongs to a name that is not there.
    ///
    /// # Errors
    /// [`HomeError::TooLong`], [`HomeError::TooMany`], and those of `new`.
    pub fn take(&mut self, name: &str, new: impl FnOnce() -> Result<T, HomeError>) -> Result<u16, HomeError> {
        if let Some(number) = self.numbers.get(name).copied() {
            self.entries[usize::from(number) - 1].uses += 1;
            return Ok(number);
        }
        if name.len() > LONGEST {
            return Err(HomeError::TooLong { limit: LONGEST });
        }
        if self.numbers.len() >= usize::from(self.most) {
            return Err(HomeError::TooMany { limit: self.most });
        }
        let name: Arc<str> = name.into();
        let entry = Entry {
            name: Arc::clone(&name),
            value: Some(new()?),
            uses: 1,
        };
        let place = self.free.pop().unwrap_or(self.entries.len() as u16);
        match self.entries.get_mut(usize::from(place)) {
            Some(free) => *free = entry,
            None => self.entries.push(entry),
        }
        self.numbers.insert(name, place + 1);
        Ok(place + 1)
    }

    /// One use of a number is over; with the last one nothing is left of its name. 0 is nobody's.
    pub fn release(&mut self, number: u16) {
        let Some(place) = number.checked_sub(1) else {
            return;
        };
        let entry = &mut self.entries[usize::from(place)];
        entry.uses = entry.uses.saturating_sub(1);
        if entry.uses == 0 && entry.value.take().is_some() {
            self.numbers.remove(&entry.name);
            entry.name = Arc::default();
            self.free.push(place);
        }
    }

    /// A name and what belongs to it; none for 0.
    pub fn get(&self, number: u16) -> Option<(&Arc<str>, &T)> {
        let entry = self.entries.get(usize::from(number).checked_sub(1)?)?;
        Some((&entry.name, entry.value.as_ref()?))
    }

    /// What belongs to a number.
    pub fn value_mut(&mut self, number: u16) -> Option<&mut T> {
        let entry = self.entries.get_mut(usize::from(number).checked_sub(1)?)?;
        entry.value.as_mut()
    }

    /// The number of a name that is there.
    pub fn number(&self, name: &str) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    /// What belongs to a name.
    pub fn find(&self, name: &str) -> Option<&T> {
        self.get(self.number(name)?).map(|(_, value)| value)
    }

    /// The names, in order.
    #[cfg(test)]
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.numbers.keys().map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_as_long_as_it_is_used_and_its_number_is_given_anew() {
        let mut table: Table<char> = Table::of(2);
        assert_eq!(
            (table.take("a", || Ok('a')), table.take("b", || Ok('b'))),
            (Ok(1), Ok(2))
        );
        assert_eq!(table.take("a", || Ok('x')), Ok(1));
        assert_eq!(table.take("c", || Ok('c')), Err(HomeError::TooMany { limit: 2 }));
        table.release(1);
        assert_eq!(table.find("a"), Some(&'a'));
        table.release(1);
        table.release(0);
        assert_eq!((table.find("a"), table.get(1)), (None, None));
        assert_eq!(table.names().collect::<Vec<_>>(), ["b"]);
        assert_eq!(table.take("c", || Ok('c')), Ok(1));
        let long = "x".repeat(LONGEST + 1);
        table.release(1);
        assert_eq!(
            table.take(&long, || Ok('l')),
            Err(HomeError::TooLong { limit: LONGEST })
        );
    }
}
