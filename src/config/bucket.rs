//! Where a bucket is, and what its objects are tagged with.

use std::fmt;
use std::str::FromStr;

/// `s3://BUCKET/PREFIX`; without a prefix the objects lie at the top of the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketUrl {
    /// The name of the bucket.
    pub bucket: String,
    /// What all keys begin with, without slashes at its ends.
    pub prefix: String,
}

impl FromStr for BucketUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not s3://BUCKET or s3://BUCKET/PREFIX");
        let (bucket, prefix) = {
            let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
            rest.split_once('/').unwrap_or((rest, ""))
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let prefix = prefix.trim_matches('/');
        let segments_are_names = prefix.split('/').all(|part| part.chars().all(is_name) && !matches!(part, "." | ".."));
        let is_whole = prefix.is_empty() || prefix.split('/').all(|part| !part.is_empty());
        if bucket.is_empty() || !bucket.chars().all(is_name) || !segments_are_names || !is_whole {
            return Err(wrong());
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.as_str() {
            "" => write!(f, "s3://{}", self.bucket),
            prefix => write!(f, "s3://{}/{prefix}", self.bucket),
        }
    }
}

/// One tag of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or_else(|| format!("\"{text}\" is not KEY=VALUE"))?;
        if key.is_empty() || text.contains(char::is_control) {
            return Err(format!("\"{text}\" is not KEY=VALUE"));
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_bucket_reads_back_as_it_was_written_and_nothing_else_is_one() {
        for whole in ["s3://voice", "s3://voice/a", "s3://voice.mail-1/a/b_c"] {
            assert_eq!(whole.parse::<BucketUrl>().map(|url| url.to_string()).as_deref(), Ok(whole));
        }
        assert_eq!("s3://voice/a/".parse::<BucketUrl>().map(|url| url.prefix).as_deref(), Ok("a"));
        for wrong in ["", "s3://", "s3:///a", "http://voice/a", "s3://vo ice", "s3://voice/a//b", "s3://voice/../b"] {
            assert!(wrong.parse::<BucketUrl>().is_err(), "{wrong}");
        }
    }
}
