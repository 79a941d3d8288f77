#!/bin/sh
for given in "$@"; do
    case "$given" in
        --who=*) who=${given#--who=} ;;
        --times=*) times=${given#--times=} ;;
    esac
done
echo "{\"greeted\": \"$who\", \"times\": $times}"
