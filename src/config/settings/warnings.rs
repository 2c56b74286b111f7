//! What is allowed and yet deserves a word in the log at start.

use super::{IssuerKey, Settings};

impl Settings {
    /// Sentences for the operator, each about one thing.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        self.warn_of_access(&mut warnings);
        self.warn_of_tokens(&mut warnings);
        if self.redis.url.is_none() && !self.development {
            warnings.push("there is no redis.url: this node keeps everything in memory and is alone".into());
        }
        if !self.development && self.publish.keys.is_empty() && self.publish.issuers.is_empty() {
            let but = if self.publish.loopback_without_key { " except from this machine" } else { "" };
            warnings.push(format!("nobody can publish over HTTP{but}: publish.keys and publish.issuers are empty"));
        }
        if self.cluster.secret.as_ref().is_some_and(|secret| secret.expose().len() < 32) {
            warnings.push("cluster.secret is shorter than 32 bytes".into());
        }
        for name in &self.unknown_variables {
            warnings.push(format!("the environment variable {name} means nothing here"));
        }
        warnings
    }

    fn warn_of_access(&self, warnings: &mut Vec<String>) {
        let public = self.listeners().iter().any(|listener| !listener.listen.ip().is_loopback());
        for namespace in self.namespaces.iter().filter(|namespace| namespace.anonymous && namespace.refuse.is_none()) {
            if !self.development {
                warnings.push(format!("namespace {} admits clients without a token", namespace.name.as_str()));
            } else if public {
                warnings.push(format!(
                    "development mode listens to the network: anyone who reaches it may use namespace {}",
                    namespace.name.as_str()
                ));
            }
        }
        if self.publish.loopback_without_key && !self.development {
            warnings.push("publish.loopback_without_key lets every process of this machine publish".into());
        }
        if !self.admin.ip().is_loopback() {
            warnings.push(format!("the admin port listens on {}: keep it away from the internet", self.admin));
        }
        if self.cors.reflect && self.cors.credentials {
            warnings.push("cors.reflect with cors.credentials lets any web page act as its visitor".into());
        }
    }

    fn warn_of_tokens(&self, warnings: &mut Vec<String>) {
        for issuer in &self.auth.issuers {
            match &issuer.key {
                // RFC 7518, section 3.2: a key as long as the hash, or longer.
                IssuerKey::Secret(secret) if secret.expose().len() < 32 => {
                    warnings.push(format!("the secret of issuer {} is shorter than 32 bytes", issuer.name));
                }
                IssuerKey::Jwks(url) if url.starts_with("http://") => {
                    warnings.push(format!("the keys of issuer {} are fetched without TLS", issuer.name));
                }
                IssuerKey::Secret(_) | IssuerKey::Pem(_) | IssuerKey::Jwks(_) => {}
            }
            if issuer.audiences.is_empty() {
                warnings.push(format!("tokens of issuer {} are taken whatever their audience", issuer.name));
            }
            if !issuer.required_claims.iter().any(|claim| claim == "exp") {
                warnings.push(format!("tokens of issuer {} may be without an end", issuer.name));
            }
        }
        for name in &self.publish.issuers {
            let admits = |issuers: &[String]| issuers.is_empty() || issuers.contains(name);
            if self.namespaces.iter().any(|namespace| namespace.refuse.is_none() && admits(&namespace.issuers)) {
                warnings.push(format!(
                    "tokens of issuer {name} let clients in and may publish over HTTP to any namespace: give services an issuer of their own"
                ));
            }
        }
        for key in self.publish.keys.iter().filter(|key| key.key.expose().len() < 16) {
            warnings.push(format!("the publish key {} is shorter than 16 bytes", key.name));
        }
    }
}
