%% Runs many command lines of RabbitMQ's tools in one Erlang VM: each by itself takes seconds to start one. Lines come from a file,
%% their words separated by tabs; after each a mark with its exit code goes to both standard output and standard error.
-module(batch).
-export([main/0]).

-define(LIMIT_MS, 10000).

main() ->
    {ok, _} = application:ensure_all_started(elixir),
    ok = application:load(rabbitmqctl),
    [_Name, File] = init:get_plain_arguments(),
    {ok, Lines} = file:read_file(File),
    [run(binary:split(Line, <<"\t">>, [global])) || Line <- binary:split(Lines, <<"\n">>, [global]), Line =/= <<>>],
    halt(0).

run([Tool | Arguments]) ->
    %% It ends with an exit that says its code.
    Command = fun() -> 'Elixir.RabbitMQCtl':main(Arguments ++ [<<"--script-name">>, Tool]) end,
    {Process, Monitor} = spawn_monitor(Command),
    Code = receive
        {'DOWN', Monitor, process, Process, normal} -> 0;
        {'DOWN', Monitor, process, Process, {shutdown, Ended}} -> Ended;
        {'DOWN', Monitor, process, Process, _} -> crashed
    after ?LIMIT_MS ->
        exit(Process, kill),
        waits
    end,
    Mark = io_lib:format("~n\x{1}~p~n", [Code]),
    io:put_chars(Mark),
    io:put_chars(standard_error, Mark).
