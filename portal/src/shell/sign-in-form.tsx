// The form for user name and password: on the page of its own, and above a page whose session has run out.

import { useState } from "react";
import { Form } from "react-aria-components";
import { ApiError } from "../api/request.ts";
import { signIn } from "../api/session.ts";
import { Button } from "../design/button.tsx";
import { Checkbox, TextField } from "../design/field.tsx";
import { Notice } from "../design/notice.tsx";
import css from "./sign-in-form.module.css";

interface SignInFormProps {
  /** Known already, when a session ran out. */
  username?: string;
  onDone(): void;
}

export function SignInForm({ username: known = "", onDone }: SignInFormProps) {
  const [username, setUsername] = useState(known);
  const [password, setPassword] = useState("");
  const [isRemembered, setRemembered] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [missing, setMissing] = useState<{ username?: string; password?: string }>({});

  async function submit(): Promise<void> {
    const next = {
      ...(username.trim() === "" ? { username: "Enter your user name." } : {}),
      ...(password === "" ? { password: "Enter your password." } : {}),
    };
    setMissing(next);
    if (Object.keys(next).length > 0) return;
    setBusy(true);
    setProblem(undefined);
    try {
      await signIn(username, password, isRemembered);
      onDone();
    } catch (error) {
      setPassword("");
      setProblem(error instanceof ApiError ? error.message : "Signing in failed because of a fault of this page.");
    } finally {
      setBusy(false);
    }
  }

  return (
    <Form
      className={css["form"]!}
      validationBehavior="aria"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {problem !== undefined && (
        <Notice kind="error" isSpoken>
          {problem}
        </Notice>
      )}
      <TextField
        label="User name"
        name="username"
        autoComplete="username"
        value={username}
        onChange={setUsername}
        error={missing.username}
        autoFocus={known === ""}
        isRequired
      />
      <TextField
        label="Password"
        name="password"
        type="password"
        autoComplete="current-password"
        value={password}
        onChange={setPassword}
        error={missing.password}
        autoFocus={known !== ""}
        isRequired
      />
      <Checkbox isSelected={isRemembered} onChange={setRemembered}>
        Keep me signed in for 30 days
      </Checkbox>
      <Button type="submit" weight="primary" isPending={isBusy}>
        {isBusy ? "Signing in …" : "Sign in"}
      </Button>
    </Form>
  );
}
