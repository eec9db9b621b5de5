//! What happens to webhooks between the forge and the daemon, drawn from the world's seed.

use std::time::Duration;

use fastrand::Rng;

/// Shares between 0 and 1. What is outside counts as the nearer end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disorder {
    /// How many deliveries never arrive.
    pub drop: f64,
    /// How many arrive twice, with the same id.
    pub duplicate: f64,
    /// How many arrive late.
    pub delay: f64,
    /// By how much at least.
    pub min_delay: Duration,
    /// By how much at most.
    pub max_delay: Duration,
    /// How many of those handed out together change places with another one.
    pub reorder: f64,
}

/// What becomes of one delivery: after which time each of its copies is due.
pub(super) type Fate = Vec<Duration>;

impl Disorder {
    /// Everything arrives once, in order, at once.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            drop: 0.0,
            duplicate: 0.0,
            delay: 0.0,
            min_delay: Duration::ZERO,
            max_delay: Duration::ZERO,
            reorder: 0.0,
        }
    }

    /// As a Gitea 1.22 was seen to send: everything 0.7 to 3.3 s late, and therefore out of order.
    #[must_use]
    pub const fn late() -> Self {
        Self {
            delay: 1.0,
            min_delay: Duration::from_millis(700),
            max_delay: Duration::from_millis(3_300),
            ..Self::none()
        }
    }

    /// A bad day: a tenth is lost, a fifth comes twice, a third up to five minutes late, a third out of
    /// order.
    #[must_use]
    pub const fn rough() -> Self {
        Self {
            drop: 0.1,
            duplicate: 0.2,
            delay: 0.33,
            min_delay: Duration::ZERO,
            max_delay: Duration::from_secs(300),
            reorder: 0.33,
        }
    }

    /// Draws what becomes of the next delivery. Every delivery takes the same number of draws, so that a
    /// different share does not change what happens to the others.
    pub(super) fn fate(&self, random: &mut Rng) -> Fate {
        let (lost, twice) = (random.f64() < self.drop, random.f64() < self.duplicate);
        let mut late = || {
            let (is_late, share) = (random.f64() < self.delay, random.f64());
            let spread = self.max_delay.saturating_sub(self.min_delay);
            if is_late { self.min_delay + spread.mul_f64(share) } else { Duration::ZERO }
        };
        let (first, second) = (late(), late());
        match (lost, twice) {
            (true, _) => Vec::new(),
            (false, false) => vec![first],
            (false, true) => vec![first, second],
        }
    }

    /// Lets some of what is handed out together change places.
    pub(super) fn shuffle<T>(&self, random: &mut Rng, items: &mut [T]) {
        for at in 0..items.len() {
            let (moves, other) = (random.f64() < self.reorder, random.usize(0..items.len()));
            if moves {
                items.swap(at, other);
            }
        }
    }
}

impl Default for Disorder {
    fn default() -> Self {
        Self::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(disorder: Disorder, seed: u64) -> Vec<Fate> {
        let mut random = Rng::with_seed(seed);
        (0..1000).map(|_| disorder.fate(&mut random)).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_disorder() {
        assert_eq!(fates(Disorder::rough(), 7), fates(Disorder::rough(), 7));
        assert_ne!(fates(Disorder::rough(), 7), fates(Disorder::rough(), 8));
    }

    #[test]
    fn the_shares_are_kept() {
        let fates = fates(Disorder::rough(), 3);
        let share = |hit: &dyn Fn(&Fate) -> bool| fates.iter().filter(|fate| hit(fate)).count();
        assert!((60..140).contains(&share(&|fate| fate.is_empty())));
        assert!((130..230).contains(&share(&|fate| fate.len() == 2)));
        assert!((220..380).contains(&share(&|fate| fate.first().is_some_and(|late| !late.is_zero()))));
        assert!(fates.iter().flatten().all(|late| *late <= Duration::from_secs(300)));
    }

    #[test]
    fn a_late_sender_is_never_prompt() {
        let all: Vec<Duration> = fates(Disorder::late(), 5).into_iter().flatten().collect();
        assert!(all.iter().all(|late| (700..=3_300).contains(&late.as_millis())));
        assert!(!all.is_sorted());
    }

    #[test]
    fn without_disorder_everything_stays_in_place() {
        let mut items: Vec<u32> = (0..100).collect();
        Disorder::none().shuffle(&mut Rng::with_seed(1), &mut items);
        assert!(items.is_sorted());
        Disorder { reorder: 0.5, ..Disorder::none() }.shuffle(&mut Rng::with_seed(1), &mut items);
        assert!(!items.is_sorted());
        assert_eq!(fates(Disorder::none(), 1), vec![vec![Duration::ZERO]; 1000]);
    }
}
