"""Amazon's services behind the interfaces of other rooms: secrets, sessions, queues. Needs `watchbell[aws]`."""
