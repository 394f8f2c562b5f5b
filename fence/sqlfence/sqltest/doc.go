// Package sqltest tests package sqlfence on real servers of PostgreSQL and MariaDB and on SQLite.
//
// It is a module of its own so that the library does not require the databases' drivers. The tests start the servers by
// themselves, on sockets in a folder that they make and remove. On a Debian system the packages postgresql and mariadb-server
// bring all that is needed.
package sqltest
