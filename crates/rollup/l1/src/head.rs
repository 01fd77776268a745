//! Follows the head of L1 into a `watch` channel.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, Header},
    metrics,
};

/// How the head is followed.
#[derive(Debug, Clone)]
pub struct HeadConfig {
    /// Time between two looks.
    pub every: Duration,
}

/// Polls the newest block of L1 and publishes it whenever it changed; `None` until the first answer.
///
/// An L1 that is down is logged once per outage and waited for. Returns when `stop` is cancelled or
/// nobody listens any more.
pub async fn watch_head(
    client: Client,
    config: HeadConfig,
    head: watch::Sender<Option<Header>>,
    stop: CancellationToken,
) {
    let mut tick = interval(config.every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut down = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = head.closed() => return,
            _ = tick.tick() => look(&client, &head, &mut down).await,
        }
    }
}

async fn look(client: &Client, head: &watch::Sender<Option<Header>>, down: &mut bool) {
    match client.head().await {
        Ok(new) => {
            if std::mem::take(down) {
                tracing::info!(number = new.number, "L1 answers again");
            }
            metrics::head(new.number);
            head.send_if_modified(|old| {
                let changed = old.as_ref().map(|old| old.hash) != Some(new.hash);
                *old = Some(new);
                changed
            });
        }
        Err(error) => {
            if !std::mem::replace(down, true) {
                tracing::warn!(%error, "L1 does not answer; waiting");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeL1;

    #[tokio::test(start_paused = true)]
    async fn the_head_is_followed_through_an_outage_and_a_reorganisation() {
        let l1 = FakeL1::new();
        l1.set_down(true);
        let (out, mut head) = watch::channel(None);
        let stop = CancellationToken::new();
        let config = HeadConfig { every: Duration::from_millis(200) };
        let task = tokio::spawn(watch_head(l1.client(), config, out, stop.clone()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(*head.borrow_and_update(), None);

        l1.set_down(false);
        l1.mine();
        head.changed().await.unwrap();
        let first = head.borrow_and_update().unwrap();
        assert_eq!(first.number, 1);

        l1.reorganise(1, false);
        l1.mine();
        head.changed().await.unwrap();
        let second = head.borrow_and_update().unwrap();
        assert!(second.number == 1 && second.hash != first.hash);

        stop.cancel();
        task.await.unwrap();
    }
}
