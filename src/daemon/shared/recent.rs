//! What was worked out for the last few commits: the first who asks works it out, the others wait for that.
//!
//! Guarantees: an answer is kept only when there is one; at most as many as were asked for are kept. The work runs
//! in an errand, which goes on although nobody waits for it any more. One answer is worked out at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::errand::errand;

/// The newest answer first.
type Known<K, V> = VecDeque<(K, Arc<V>)>;

/// Answers of type `V` to the last few questions `K`. Clones are the same.
#[derive(Debug)]
pub(in crate::daemon) struct Recent<K, V> {
    kept: usize,
    known: Arc<Mutex<Known<K, V>>>,
}

impl<K, V> Recent<K, V> {
    /// Keeps the `kept` answers that were worked out last.
    pub(in crate::daemon) fn keeping(kept: usize) -> Self {
        Self { kept, known: Arc::default() }
    }
}

impl<K: Eq + Send + 'static, V: Send + Sync + 'static> Recent<K, V> {
    /// The answer to `key`; where it is not known, `work` finds it.
    pub(in crate::daemon) async fn of<E: Send + 'static>(
        &self,
        key: K,
        work: impl Future<Output = Result<V, E>> + Send + 'static,
    ) -> Result<Arc<V>, E> {
        let (known, kept) = (Arc::clone(&self.known), self.kept);
        errand(async move {
            let mut known = known.lock().await;
            if let Some((_, answer)) = known.iter().find(|(other, _)| *other == key) {
                return Ok(Arc::clone(answer));
            }
            let answer = Arc::new(work.await?);
            known.push_front((key, Arc::clone(&answer)));
            known.truncate(kept);
            Ok(answer)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test]
    async fn the_last_answers_are_kept_and_a_failure_is_not() {
        let recent = Recent::keeping(2);
        let of = async |key: u8, answer: Result<&'static str, &'static str>| {
            recent.of(key, async move { answer }).await.map(|answer| *answer)
        };
        assert_eq!(of(1, Err("no disk")).await, Err("no disk"));
        assert_eq!(of(1, Ok("first")).await, Ok("first"));
        assert_eq!(of(1, Ok("again")).await, Ok("first"));
        assert_eq!((of(2, Ok("second")).await, of(3, Ok("third")).await), (Ok("second"), Ok("third")));
        assert_eq!(of(1, Ok("anew")).await, Ok("anew"));
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_the_answer_to_the_others() {
        let recent = Recent::<u8, u8>::keeping(2);
        let (begin, begun) = tokio::sync::oneshot::channel::<()>();
        let work = async move {
            let _ = begun.await;
            Ok::<_, Infallible>(7)
        };
        let mut dropped = Box::pin(recent.of(1, work));
        assert!(futures::poll!(&mut dropped).is_pending());
        drop(dropped);
        begin.send(()).unwrap();
        assert_eq!(*recent.of(1, async { Ok::<_, Infallible>(8) }).await.unwrap(), 7);
    }
}
