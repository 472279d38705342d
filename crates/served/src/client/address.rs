//! Address of a server.

use super::ClientError;

/// Address of an OpenAI-compatible server, such as `http://localhost:8000/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    url: String,
    host: String,
}

impl Address {
    /// Reads an address: `http` or `https`, a host, and the path below which the server answers. Without a path, `/v1`
    /// is added.
    ///
    /// # Errors
    /// [`ClientError::Address`] when the address has another scheme, no host, or holds a name, a password or a query.
    pub fn parse(written: &str) -> Result<Self, ClientError> {
        let wrong = |what: &str| ClientError::Address { url: written.to_owned(), what: what.to_owned() };
        let (scheme, rest) = written.trim().split_once("://").ok_or_else(|| wrong("names no scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err(wrong("has another scheme than `http` and `https`"));
        }
        if rest.contains(['?', '#']) || rest.contains(char::is_whitespace) {
            return Err(wrong("holds a query, a fragment or a space"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            // The address is shown in reports, so it must hold no secret.
            return Err(ClientError::Address {
                url: format!("{scheme}://...@..."),
                what: "holds a name or a password; give a key by `--api-key-env`".to_owned(),
            });
        }
        let host = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, _)) => host,
            None => authority.split(':').next().unwrap_or_default(),
        };
        if host.is_empty() {
            return Err(wrong("names no host"));
        }
        let path = path.trim_end_matches('/');
        let path = if path.is_empty() { "v1" } else { path };
        Ok(Self { url: format!("{scheme}://{authority}/{path}"), host: host.to_ascii_lowercase() })
    }

    /// Returns the address without a `/` at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns whether the address is this machine: `localhost`, `127.0.0.0/8` or `::1`.
    #[must_use]
    pub fn is_this_machine(&self) -> bool {
        let loopback = self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        loopback || self.host == "localhost"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_path() {
        for (written, url, is_local) in [
            ("http://localhost:8000/v1", "http://localhost:8000/v1", true),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1", true),
            ("http://[::1]:8000/v1/", "http://[::1]:8000/v1", true),
            ("HTTPS://api.example.org/openai/v1", "https://api.example.org/openai/v1", false),
            ("http://localhost.example.org/v1", "http://localhost.example.org/v1", false),
            ("http://127.0.0.1.example.org", "http://127.0.0.1.example.org/v1", false),
            ("http://10.0.0.1:8000/v1", "http://10.0.0.1:8000/v1", false),
        ] {
            let address = Address::parse(written).expect("an address");
            assert_eq!((address.url(), address.is_this_machine()), (url, is_local), "{written}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_a_secret_is_not_repeated() {
        for written in ["localhost:8000", "ftp://a", "http://", "http:///v1", "http://a/v1?key=1", "http://a b", ""] {
            assert!(Address::parse(written).is_err(), "{written}");
        }
        let refused = Address::parse("https://me:secret@api.example.org/v1").expect_err("refused").to_string();
        assert!(!refused.contains("secret") && refused.contains("--api-key-env"), "{refused}");
    }
}
