"""The embedded store: one file that several processes of one machine share."""
