//! Work on all processors, the same whatever their number.

use std::convert::Infallible;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// As many threads as there are processors for this process.
pub fn all_processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Does something with each item, some at a time, and gives what became of them in their order.
pub(crate) fn each_in_parallel<I: Send, T: Send>(
    threads: usize,
    items: Vec<I>,
    work: impl Fn(I) -> T + Sync,
) -> Vec<T> {
    let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let items: Vec<_> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    let done = in_parallel(threads, count, |job| {
        let item = items[job as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Ok::<_, Infallible>(item.map(&work))
    });
    let Ok(done) = done;
    done.into_iter().flatten().collect()
}

/// Does the jobs numbered from 0, some at a time, and gives what became of them in the order of their numbers; after an
/// error no further job begins, and the first by number of those that happened is given.
pub(crate) fn in_parallel<T: Send, E: Send>(
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
        // Where the system gives no more threads, those that are there do it.
        let begin = |_| std::thread::Builder::new().spawn_scoped(scope, take_turns).ok();
        let others: Vec<_> = (1..threads).filter_map(begin).collect();
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
    fn each_item_is_worked_on_once() {
        for threads in [1, 2, 7, 100] {
            let mut counts = [0, 10, 20];
            let seen = each_in_parallel(threads, counts.iter_mut().collect(), |count| {
                *count += 1;
                *count
            });
            assert_eq!((seen, counts), (vec![1, 11, 21], [1, 11, 21]));
        }
    }

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
