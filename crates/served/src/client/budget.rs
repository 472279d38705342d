//! Limits on requests and tokens.

use std::sync::Mutex;

use super::ClientError;

/// Limits of an evaluation; None is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Largest number of requests sent, repeated attempts included.
    pub requests: Option<u64>,
    /// Number of tokens, of prompts and answers together, after which no further request is sent. Requests under way
    /// are finished, so the sum may be larger.
    pub tokens: Option<u64>,
}

/// Requests and tokens spent so far, against the limits.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    spent: Mutex<(u64, u64)>,
}

impl Budget {
    /// Creates a budget of which nothing is spent.
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, spent: Mutex::default() }
    }

    /// Takes one request from the budget.
    ///
    /// # Errors
    /// [`ClientError::Limit`] when a limit is reached; nothing is then taken.
    pub(super) fn take(&self) -> Result<(), ClientError> {
        let mut spent = self.spent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (requests, tokens) = *spent;
        if let Some(most) = self.limits.requests.filter(|most| requests >= *most) {
            return Err(ClientError::Limit(format!("the limit of {most} requests (`--max-requests`) is reached")));
        }
        if let Some(most) = self.limits.tokens.filter(|most| tokens >= *most) {
            return Err(ClientError::Limit(format!("the limit of {most} tokens (`--max-tokens-total`) is reached")));
        }
        spent.0 += 1;
        Ok(())
    }

    /// Adds the tokens of an answer.
    pub(super) fn add_tokens(&self, tokens: u64) {
        self.spent.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1 += tokens;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_end_the_requests() {
        let budget = Budget::new(Limits { requests: Some(2), tokens: None });
        assert!(budget.take().is_ok() && budget.take().is_ok());
        assert!(budget.take().is_err_and(|error| error.to_string().contains("2 requests")));
        let budget = Budget::new(Limits { requests: None, tokens: Some(10) });
        assert!(budget.take().is_ok());
        budget.add_tokens(9);
        assert!(budget.take().is_ok());
        budget.add_tokens(1);
        assert!(budget.take().is_err_and(|error| error.to_string().contains("10 tokens")));
    }
}
