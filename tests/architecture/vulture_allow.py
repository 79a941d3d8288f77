"""What `vulture` takes for unused and is not: each group with its reason. A name that is gone from the source goes."""

# ruff: noqa: B018, F821
# mypy: ignore-errors

# The public Python API.
__getattr__
_.detect_from_database
_.verify_runtime_available

# Called by the frameworks that we build on: Python, click, uvicorn, h11, prometheus-client, google-re2, psycopg.
_.list_commands
_.get_command
_.format_commands
_.showwarning
_.capture_signals
_.send_400_response
_.should_exit
_.collect
_.log_errors
_.max_mem
_.read_only
_.isolation_level

# Procrastinate calls or reads them; READ_FROM is its version, which a test holds.
READ_FROM

# Only compared, as parts of a tuple.
_.device
_.inode

# Read by name where a pack is stored.
_.runtime_deps

# Fields of rows and answers: filled by name, and read by whoever gets the JSON or the template.
_.last_event
_.started_at
_.finished_at
_.is_standard
_.checked_at
_.troubled
_.stranded
_.model_config
_.cached
_.cached_age_seconds
_.node_name
_.name_before
_.touches
_.eligible_count
_.age_seconds
_.as_of
_.results
_.actor
look_every  # a parameter of a statement

# Values of enumerations, which come from documents and columns.
_.ABANDON
_.DISABLED
_.SKIP
_.REQUESTED
_.SCHEDULED

# What a fake keeps for tests to look at.
_.aside

# Shown by a template of the page.
_.active

# The way back of migrations: tests hold every revision to it, and the issue on moving installations uses it.
downgrade

# A section of settings that is taken as a whole: `asdict(settings.retention)`.
_.lost_nodes

# Called by pydantic.
_._can_lie_in_a_folder
