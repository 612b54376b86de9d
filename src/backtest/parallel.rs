//! Work on all processors, the same whatever their number.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// As many threads as there are processors for this process.
pub fn all_processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Does the jobs numbered from 0, some at a time, and gives what became of them in the order of their numbers; after an
/// error no further job begins, and the first by number of those that happened is given.
pub(super) fn in_parallel<T: Send, E: Send>(
    threads: usize,
    jobs: u32,
    work: impl Fn(u32) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let (next, failed) = (AtomicU32::new(0), AtomicBool::new(false));
    let take_turns = || {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= jobs {
                break;
            }
            let result = work(job);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((job, result));
        }
        done
    };
    let threads = threads.clamp(1, jobs.max(1) as usize);
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take_turns)).collect();
        let mut done = take_turns();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(job, _)| *job);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        for threads in [1, 2, 7, 100] {
            let squares = in_parallel(threads, 50, |job| Ok::<_, ()>(job * job)).expect("none fails");
            assert_eq!(squares, (0..50).map(|job| job * job).collect::<Vec<_>>());
            assert_eq!(in_parallel(threads, 0, |_| Ok::<_, ()>(())), Ok(vec![]));
            let failed = in_parallel(threads, 50, |job| if job % 20 == 9 { Err(job) } else { Ok(()) });
            assert_eq!(failed, Err(9), "{threads} threads");
        }
    }
}
