//! A depot in a store that speaks the S3 protocol.
//!
//! Credentials, region and endpoint come from the usual variables (`AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`).
//!
//! Its calls wait; they must not be made on a thread that runs async tasks.

use std::fmt;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use tokio::runtime::Runtime;

use crate::depot::{Depot, DepotError};

/// A depot behind the `object_store` interface.
pub struct ObjectDepot {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    runtime: Runtime,
}

impl fmt::Debug for ObjectDepot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectDepot({}, {})", self.store, self.prefix)
    }
}

impl ObjectDepot {
    /// `BUCKET/PREFIX`, or `BUCKET`.
    pub(crate) fn s3(place: &str) -> Result<ObjectDepot, DepotError> {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(DepotError::BadPlace(format!("s3://{place}")));
        }
        let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build();
        let store = store.map_err(failed("open", place))?;
        ObjectDepot::over(Arc::new(store), prefix)
    }

    /// A depot in any store.
    pub fn over(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<ObjectDepot, DepotError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| DepotError::Io {
                operation: "open",
                place: prefix.to_owned(),
                source,
            })?;
        Ok(ObjectDepot {
            store,
            prefix: prefix.trim_matches('/').to_owned(),
            runtime,
        })
    }

    fn path(&self, key: &str) -> Path {
        Path::from(format!("{}/{key}", self.prefix))
    }
}

fn failed(operation: &'static str, place: &str) -> impl FnOnce(object_store::Error) -> DepotError {
    let place = place.to_owned();
    move |error| DepotError::Store {
        operation,
        place,
        reason: error.to_string(),
    }
}

impl Depot for ObjectDepot {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), DepotError> {
        let path = self.path(key);
        let put = self.store.put(&path, bytes.to_vec().into());
        let done = self.runtime.block_on(put);
        done.map(drop).map_err(failed("write", &self.place(key)))
    }

    fn get(&self, key: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, DepotError> {
        let place = self.place(key);
        let path = self.path(key);
        let read = async {
            let found = self.store.get(&path).await?;
            if found.meta.size > bytes_max as u64 {
                return Ok(None);
            }
            found.bytes().await.map(|bytes| Some(bytes.to_vec()))
        };
        match self.runtime.block_on(read) {
            Ok(Some(bytes)) => Ok(Some(bytes)),
            Ok(None) => Err(DepotError::TooLarge {
                place,
                max: bytes_max,
            }),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", &place)(error)),
        }
    }

    fn exists(&self, key: &str) -> Result<bool, DepotError> {
        match self.runtime.block_on(self.store.head(&self.path(key))) {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed("look for", &self.place(key))(error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, DepotError> {
        let path = self.path(prefix.trim_end_matches('/'));
        let found = self.store.list(Some(&path)).try_collect();
        let found: Vec<ObjectMeta> = self
            .runtime
            .block_on(found)
            .map_err(failed("list", &self.place(prefix)))?;
        let keys = found.iter().filter_map(|object| {
            let key = object.location.as_ref().strip_prefix(&self.prefix)?;
            Some(key.trim_start_matches('/').to_owned())
        });
        let mut keys: Vec<String> = keys.collect();
        keys.sort_unstable();
        Ok(keys)
    }

    fn place(&self, key: &str) -> String {
        format!("{} {}", self.store, self.path(key))
    }
}
