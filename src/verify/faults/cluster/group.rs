//! The group's coordinator: members, generations, who owns what, and committed offsets.

use std::collections::{BTreeMap, BTreeSet};

/// How partitions are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Everybody gives up everything, then all is handed out anew.
    Eager,
    /// Only what moves is given up, in a first rebalance, and handed on in a second.
    Cooperative,
    /// KIP-848: the broker moves partitions one by one, each when its owner has said that it let go.
    Consumer,
}

/// Proof of membership, as it goes into a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The member.
    pub member: u64,
    /// The generation, or with [`Protocol::Consumer`] the member's epoch.
    pub generation: i32,
    /// The name of a static member.
    pub instance: Option<String>,
}

/// Why the coordinator refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRefusal {
    /// No such member: its session is over.
    UnknownMember,
    /// The group has gone on.
    IllegalGeneration,
    /// Another member has this static name now.
    FencedInstance,
}

/// What a member is told when it reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// To be let go. That is done when the member reports without them.
    pub revoke: Vec<i32>,
    /// Its own from now on.
    pub assign: Vec<i32>,
    /// The generation; `None` as long as it is in none.
    pub generation: Option<i32>,
}

#[derive(Clone, Debug)]
struct Member {
    instance: Option<String>,
    heard: u64,
    /// The generation it has been told of; in the consumer protocol its epoch.
    generation: Option<i32>,
    /// What it holds, as far as the coordinator knows.
    owned: BTreeSet<i32>,
    /// What it is to hold.
    target: BTreeSet<i32>,
    /// Has joined the rebalance under way.
    joined: bool,
    /// A static member that went in good order; its place is kept for its session.
    left: bool,
}

/// The group.
#[derive(Clone, Debug)]
pub struct Group {
    protocol: Protocol,
    partitions: i32,
    session_ms: u64,
    generation: i32,
    members: BTreeMap<u64, Member>,
    next_member: u64,
    /// Since when members are awaited.
    rebalancing: Option<u64>,
    /// Turns the assignment round, so that rebalances move something.
    rotation: usize,
}

impl Group {
    /// A group without members.
    pub fn new(protocol: Protocol, partitions: i32, session_ms: u64) -> Self {
        Self {
            protocol,
            partitions,
            session_ms,
            generation: 0,
            members: BTreeMap::new(),
            next_member: 1,
            rebalancing: None,
            rotation: 0,
        }
    }

    /// A new member; `None` when a static name is not free yet.
    pub fn join(&mut self, instance: Option<&str>, now: u64) -> Option<u64> {
        let predecessor = instance.and_then(|name| {
            let mut members = self.members.iter();
            members
                .find(|(_, member)| member.instance.as_deref() == Some(name))
                .map(|(id, _)| *id)
        });
        let id = self.next_member;
        let mut member = Member {
            instance: instance.map(str::to_owned),
            heard: now,
            generation: None,
            owned: BTreeSet::new(),
            target: BTreeSet::new(),
            joined: false,
            left: false,
        };
        let mut is_settled = true;
        if let Some(old) = predecessor {
            let is_alive = self.members.get(&old).is_some_and(|old| !old.left);
            if self.protocol == Protocol::Consumer && is_alive {
                return None; // UNRELEASED_INSTANCE_ID: its session must end first.
            }
            if let Some(old) = self.members.remove(&old) {
                // It takes the place as it is, without a rebalance; but what the old one was about to let go must move.
                is_settled = old.owned.is_subset(&old.target);
                member.target = old.target;
            }
        }
        self.next_member += 1;
        self.members.insert(id, member);
        if predecessor.is_none() || !is_settled || self.rebalancing.is_some() {
            self.rebalance(now);
        }
        Some(id)
    }

    /// A member goes. The place of a static one is kept for its session.
    pub fn leave(&mut self, id: u64, now: u64) {
        match self.members.get_mut(&id) {
            Some(member) if member.instance.is_some() => {
                member.left = true;
                if self.protocol == Protocol::Consumer {
                    member.owned.clear();
                }
            }
            Some(_) => {
                self.members.remove(&id);
                self.rebalance(now);
            }
            None => {}
        }
    }

    /// Only a sign of life.
    pub fn beat(&mut self, id: u64, now: u64) {
        if let Some(member) = self.members.get_mut(&id) {
            member.heard = now;
        }
    }

    /// A member reports what it holds.
    ///
    /// # Errors
    /// When it is a member no longer.
    pub fn report(
        &mut self,
        id: u64,
        instance: Option<&str>,
        owned: &BTreeSet<i32>,
        now: u64,
    ) -> Result<Word, GroupRefusal> {
        self.check_member(id, instance)?;
        self.beat(id, now);
        match self.protocol {
            Protocol::Consumer => Ok(self.report_to_broker(id, owned)),
            Protocol::Eager | Protocol::Cooperative => Ok(self.report_to_rebalance(id, owned, now)),
        }
    }

    fn report_to_broker(&mut self, id: u64, owned: &BTreeSet<i32>) -> Word {
        let elsewhere: BTreeSet<i32> = self
            .members
            .iter()
            .filter(|(other, _)| **other != id)
            .flat_map(|(_, member)| member.owned.iter().copied())
            .collect();
        let generation = self.generation;
        let Some(member) = self.members.get_mut(&id) else {
            return Word::default();
        };
        member.owned.clone_from(owned);
        let revoke: Vec<i32> = owned.difference(&member.target).copied().collect();
        if !revoke.is_empty() {
            // Its epoch stays what it was until it has let go.
            return Word {
                revoke,
                assign: Vec::new(),
                generation: member.generation,
            };
        }
        member.generation = Some(generation);
        let assign: Vec<i32> = member
            .target
            .iter()
            .copied()
            .filter(|partition| !owned.contains(partition) && !elsewhere.contains(partition))
            .collect();
        member.owned.extend(&assign);
        Word {
            revoke,
            assign,
            generation: member.generation,
        }
    }

    fn report_to_rebalance(&mut self, id: u64, owned: &BTreeSet<i32>, now: u64) -> Word {
        let (protocol, generation, rebalancing) = (self.protocol, self.generation, self.rebalancing.is_some());
        let Some(member) = self.members.get_mut(&id) else {
            return Word::default();
        };
        member.owned.clone_from(owned);
        if rebalancing {
            if protocol == Protocol::Eager && !owned.is_empty() {
                return Word {
                    revoke: owned.iter().copied().collect(),
                    assign: Vec::new(),
                    generation: member.generation,
                };
            }
            member.joined = true;
            let told = member.generation;
            self.complete_if_all_joined();
            if self.rebalancing.is_some() {
                return Word {
                    generation: told,
                    ..Word::default()
                };
            }
            return self.report_to_rebalance(id, owned, now);
        }
        if member.generation == Some(generation) {
            return Word {
                generation: member.generation,
                ..Word::default()
            };
        }
        member.generation = Some(generation);
        let revoke: Vec<i32> = owned.difference(&member.target).copied().collect();
        let assign: Vec<i32> = member.target.difference(owned).copied().collect();
        member.owned.extend(&assign);
        if !revoke.is_empty() {
            // What it lets go is handed on in a rebalance after this one.
            self.rebalance(now);
        }
        Word {
            revoke,
            assign,
            generation: Some(generation),
        }
    }

    /// Whether offsets may be committed with this proof. Who owns a partition is not asked.
    ///
    /// # Errors
    /// When the proof is not of the present.
    pub fn check(&self, membership: &Membership) -> Result<(), GroupRefusal> {
        self.check_member(membership.member, membership.instance.as_deref())?;
        let now = match self.protocol {
            Protocol::Consumer => self
                .members
                .get(&membership.member)
                .and_then(|member| member.generation),
            Protocol::Eager | Protocol::Cooperative => Some(self.generation),
        };
        if now == Some(membership.generation) {
            Ok(())
        } else {
            Err(GroupRefusal::IllegalGeneration)
        }
    }

    /// Time has passed: sessions end, and nobody is waited for longer than a session.
    pub fn tick(&mut self, now: u64) {
        let is_over = |since: u64| now.saturating_sub(since) > self.session_ms;
        let rebalance_is_over = self.rebalancing.is_some_and(is_over);
        let mut gone: Vec<u64> = Vec::new();
        for (id, member) in &self.members {
            if is_over(member.heard) || rebalance_is_over && !member.joined {
                gone.push(*id);
            }
        }
        if gone.is_empty() {
            return;
        }
        for id in &gone {
            self.members.remove(id);
        }
        if self.rebalancing.is_some() {
            self.complete_if_all_joined();
        } else {
            self.rebalance(now);
        }
    }

    /// Moves partitions about, for no reason.
    pub fn shuffle(&mut self, now: u64) {
        self.rotation += 1;
        self.rebalance(now);
    }

    fn check_member(&self, id: u64, instance: Option<&str>) -> Result<(), GroupRefusal> {
        if self.members.contains_key(&id) {
            return Ok(());
        }
        let has_successor = instance.is_some_and(|name| {
            let mut members = self.members.values();
            members.any(|member| member.instance.as_deref() == Some(name))
        });
        Err(if has_successor {
            GroupRefusal::FencedInstance
        } else {
            GroupRefusal::UnknownMember
        })
    }

    fn rebalance(&mut self, now: u64) {
        if self.protocol == Protocol::Consumer {
            self.generation += 1;
            self.assign();
            return;
        }
        if self.rebalancing.is_none() {
            self.rebalancing = Some(now);
            self.members.values_mut().for_each(|member| member.joined = false);
        }
    }

    fn complete_if_all_joined(&mut self) {
        if !self.members.values().all(|member| member.joined) {
            return;
        }
        self.rebalancing = None;
        self.generation += 1;
        self.assign();
        if self.protocol == Protocol::Cooperative {
            // What another still holds is given on only after it let go.
            let held: Vec<(u64, BTreeSet<i32>)> = self
                .members
                .iter()
                .map(|(id, member)| (*id, member.owned.clone()))
                .collect();
            for (id, member) in &mut self.members {
                member.target.retain(|partition| {
                    !held
                        .iter()
                        .any(|(other, owned)| other != id && owned.contains(partition))
                });
            }
        }
    }

    fn assign(&mut self) {
        let ids: Vec<u64> = self.members.keys().copied().collect();
        self.members.values_mut().for_each(|member| member.target.clear());
        if ids.is_empty() {
            return;
        }
        for partition in 0..self.partitions {
            // Each time it is moved about, half of what a member has moves on.
            let number = usize::try_from(partition).unwrap_or(0);
            let place = (number + (self.rotation + number / 2 % 2) / 2) % ids.len();
            if let Some(member) = self.members.get_mut(&ids[place]) {
                member.target.insert(partition);
            }
        }
    }
}
