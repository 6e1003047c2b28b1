/*
 * The lease protocol of one script on one agent, small enough that every order of events can be tried: two nodes that may die, be restarted
 * or sleep between any two steps, a lease that may end at any moment, and calls that reach the agent as late as they like.
 * The rules are those of server/engine/tasks and server/engine/execution; each macro in capitals breaks or adds one.
 *
 *   NO_GUARD           the result is written without asking whether the lease is still ours, in its transaction
 *   NEW_TICKET         whoever takes over makes a ticket of its own
 *   LOOK_FIRST         the lease is looked at just before StartScript goes out (a check that is not in the transaction of the effect)
 *   EARLY_COMPLETE     CompleteScript follows the result at once, also when the task has changed owner
 *   IGNORE_UNANSWERED  CompleteScript goes out although a repeated StartScript of ours has no answer yet
 *   TOMBSTONE          the agent remembers a ticket after CompleteScript
 *
 * Promised: a script runs at most once, and at most one result is written.
 */

#define TAKEOVERS 3             /* so often the task changes owner before it is settled */
#define TICKETS 5
#define NOBODY 9
#define IN_FLIGHT 3

/* the database: one task with one step run */
byte owner = NOBODY;
byte epoch = 0;
bool settled = false;
byte ticketOfStep = 0;          /* 0: no step run is stored yet */
byte epochOfFirstStart = 0;
byte results = 0;

/* the agent, by ticket */
#define UNKNOWN 0
#define RUNS 1
#define ENDED 2
#define GONE 3                  /* completed; with TOMBSTONE it is remembered */
byte script[TICKETS];
byte executions = 0;
byte ticketsMade = 0;

/* calls under way: ticket. They outlive the node that sent them. */
chan starts = [IN_FLIGHT] of { byte };
/* StartScript calls of this owner that have no answer yet */
byte unanswered = 0;

#define holds(me, mine) (owner == me && epoch == mine && !settled)

active proctype Agent()
{
  byte ticket;
end:
  do
  :: atomic { starts?ticket ->
       if
       :: script[ticket] == UNKNOWN -> script[ticket] = RUNS; executions++; assert(executions <= 1)
       :: else -> skip           /* the same ticket again: the agent says how it stands */
       fi;
       if :: unanswered > 0 -> unanswered-- :: else -> skip fi
     }
  :: atomic { script[1] == RUNS -> script[1] = ENDED }
  :: atomic { script[2] == RUNS -> script[2] = ENDED }
  :: atomic { script[3] == RUNS -> script[3] = ENDED }
  :: atomic { script[4] == RUNS -> script[4] = ENDED }
  od
}

proctype Node(byte me)
{
  byte mine;
  byte ticket;

claim:
  mine = 0;
  ticket = 0;
end_idle:
  /* One statement: the task is new, or its lease is over, which may be at any moment. A node never claims what it holds. */
  atomic { !settled && owner != me && epoch < TAKEOVERS ->
    owner = me;
    epoch++;
    mine = epoch;
    unanswered = 0
  }

  /* Intent before effect: the step run with its ticket, guarded in the same transaction. */
  atomic {
    if
    :: !holds(me, mine) -> goto claim
    :: holds(me, mine) ->
#ifdef NEW_TICKET
       ticketsMade++;
       ticket = ticketsMade;
       ticketOfStep = ticket;
#else
       if
       :: ticketOfStep == 0 -> ticketsMade++; ticketOfStep = ticketsMade; epochOfFirstStart = mine
       :: else -> skip
       fi;
       ticket = ticketOfStep;
#endif
    fi
  }
  if :: goto died :: skip fi;

#ifdef LOOK_FIRST
  if :: !holds(me, mine) -> goto claim :: else -> skip fi;
#endif

  /* The node may sleep here for hours, and the call may arrive hours later. */
  atomic { nfull(starts) -> starts!ticket; if :: owner == me && epoch == mine -> unanswered++ :: else -> skip fi };
  if :: goto died :: skip fi;
  /* No answer came in time, so it is sent once more. */
  if
  :: atomic { owner == me && epoch == mine && nfull(starts) -> starts!ticket; unanswered++ }
  :: skip
  fi;

  /* GetStatus until the script is over; a node that is not the owner any more finds out by its next guarded write. */
  if
  :: script[ticket] == ENDED || script[ticket] == GONE -> skip
  :: atomic { owner != me || epoch != mine || settled -> goto claim }
  fi;

  /* The result, guarded in its own transaction. */
  atomic {
    if
#ifdef NO_GUARD
    :: true -> settled = true; results++
#else
    :: holds(me, mine) -> settled = true; results++
    :: else -> goto claim
#endif
    fi;
    assert(results <= 1)
  }
  if :: goto died :: skip fi;

  /* CompleteScript re-opens the door for a StartScript that is still on its way, or in the hand of a sleeping node. */
  if
#ifdef EARLY_COMPLETE
  :: true ->
#elif defined(IGNORE_UNANSWERED)
  :: mine == epochOfFirstStart && epoch == mine ->
#else
  :: mine == epochOfFirstStart && epoch == mine && unanswered == 0 ->
#endif
#ifdef TOMBSTONE
     script[ticket] = GONE
#else
     script[ticket] = UNKNOWN
#endif
  :: else -> skip
  fi;
  goto end_settled;

died:
  /* kill -9: all that it knew is gone, and its lease runs out. It comes back as another process, which holds nothing. */
  atomic { if :: owner == me -> owner = NOBODY :: else -> skip fi };
  goto claim;

end_settled:
  skip
}

init { atomic { run Node(0); run Node(1) } }
