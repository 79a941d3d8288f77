from attune.postgres.migrations import state, upgrade


def test_upgrade_of_an_empty_database_reaches_the_head(database):
    report = upgrade(database.url)
    assert state(database.url).pending == ()
    assert report.applied[0] == "20250101000001_baseline"
