//! Futures that are dropped at any of their awaits. Only compiled for tests.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Polls `future` at most so often, whenever it is woken, and drops it after the last time.
pub(crate) async fn drop_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|context| {
        if left > 0
            && let Poll::Ready(done) = future.as_mut().poll(context)
        {
            return Poll::Ready(Some(done));
        }
        left = left.saturating_sub(1);
        if left == 0 { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}
