//! Work that others wait for, done in a task of its own.
//!
//! Why: a future may be dropped, or kept and not polled, at each of its awaits (`select!`, a timeout, a step
//! beside another one). One that holds a turn or a lock then keeps it, and whoever waits for that waits for
//! ever. A task is polled until it has ended, whatever becomes of who asked for it. So what holds something
//! that others wait for, across an await, is an errand.

use std::future::Future;
use std::panic::resume_unwind;

/// Carries out `work` to its end, also when this future is dropped or not polled any more, and answers what
/// came of it. A panic is passed on to who asked. When the runtime ends before, there is no answer.
pub async fn errand<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Cancelled by the end of the runtime, and so is who asked.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use tokio::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_holds_a_turn_lets_go_of_it_although_nobody_polls_who_asked() {
        let turn = Arc::new(Mutex::new(()));
        let work = async |turn: Arc<Mutex<()>>| {
            let _turn = turn.lock().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        let mut kept = pin!(errand(work(turn.clone())));
        assert!(kept.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let mut dropped = Box::pin(errand(work(turn.clone())));
        assert!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(dropped);
        tokio::time::timeout(Duration::from_secs(10), errand(work(turn))).await.expect("it hangs");
        kept.await;
    }

    #[tokio::test]
    #[should_panic(expected = "a bug")]
    async fn a_panic_reaches_who_asked() {
        errand(async { panic!("a bug") }).await
    }
}
