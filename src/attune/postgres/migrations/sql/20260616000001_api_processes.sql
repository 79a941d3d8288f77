-- Processes that serve the API, each as it tells of itself: one that was killed, or hangs, is missed.
CREATE TABLE api_process (
    address text PRIMARY KEY,
    process integer NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT now()
);
