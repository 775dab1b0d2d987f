//! Buyers who keep their key until they know.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

/// Only bounds how long a broken test takes.
pub(crate) const WAIT: Duration = Duration::from_secs(120);

/// How long a buyer waits before asking again.
const PAUSE: Duration = Duration::from_millis(50);

/// What one attempt told.
pub(crate) enum Told {
    /// This order is the buyer's.
    Order(String),
    SoldOut,
    /// 503 with Retry-After: nobody has lied, and nobody knows.
    Later,
    /// No answer, or one that a buyer should not see.
    Lost(String),
}

/// Who buys what, where.
pub(crate) struct Purchase<'a> {
    pub(crate) client: &'a Client,
    pub(crate) url: &'a str,
    pub(crate) sku: &'a str,
    pub(crate) buyer: String,
}

impl Purchase<'_> {
    /// Asks once. The key is the buyer's name.
    pub(crate) async fn ask(&self) -> Told {
        let body = json!({ "buyer_id": self.buyer, "units": 1 });
        let request = self
            .client
            .post(format!("{}/v1/skus/{}/orders", self.url, self.sku))
            .header("idempotency-key", &self.buyer)
            .timeout(WAIT)
            .json(&body);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Told::Lost(format!("{error:?}")),
        };
        let (status, retry) = (
            answer.status(),
            answer.headers().contains_key("retry-after"),
        );
        let body = answer.json::<Value>().await.unwrap_or_default();
        match (status, body["order_id"].as_str(), body["code"].as_str()) {
            (StatusCode::CREATED | StatusCode::OK, Some(id), _) => {
                Told::Order(id.into())
            }
            (StatusCode::CONFLICT, _, Some("sold-out")) => Told::SoldOut,
            (StatusCode::SERVICE_UNAVAILABLE, _, Some(_)) if retry => Told::Later,
            _ => Told::Lost(format!("{status}, Retry-After {retry}: {body}")),
        }
    }

    /// Asks until there is an order or nothing left, and returns the order. What was lost on
    /// the way goes to `lost`.
    pub(crate) async fn insist(
        &self,
        lost: &mut Vec<String>,
    ) -> Result<Option<String>> {
        let began = Instant::now();
        loop {
            match self.ask().await {
                Told::Order(id) => return Ok(Some(id)),
                Told::SoldOut => return Ok(None),
                Told::Later => {}
                Told::Lost(why) => lost.push(why),
            }
            if began.elapsed() > WAIT {
                bail!("{} has no answer: {lost:?}", self.buyer);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
