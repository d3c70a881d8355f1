//! Replays the corpora of the fuzz targets, so that a crash found once is an ordinary test ever after.
