// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity =0.8.31;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {INativeRollup} from "../../interfaces/INativeRollup.sol";
import {IRefundReceiver} from "../../interfaces/INativeMessenger.sol";
import {ITokenBridge} from "../../interfaces/ITokenBridge.sol";
import {ITokenFactory} from "../../interfaces/ITokenFactory.sol";
import {NATIVE_MESSENGER, TOKEN_FACTORY} from "../lib/NativeConstants.sol";
import {TokenMetadata} from "../lib/TokenMetadata.sol";

/// @title ERC-20 tokens into a native rollup and back
contract TokenBridge is ITokenBridge, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    INativeRollup private immutable ROLLUP;

    /// @inheritdoc ITokenBridge
    mapping(address token => uint256 amount) public override locked;

    constructor(INativeRollup rollup_) {
        ROLLUP = rollup_;
    }

    /// @inheritdoc ITokenBridge
    function deposit(address token, address to, uint256 amount, uint64 gasLimit)
        external
        payable
        override
        nonReentrant
        returns (uint64 message)
    {
        uint256 received = _receive(IERC20(token), amount);
        bytes memory data = abi.encodeCall(
            ITokenFactory.mint,
            (
                token,
                msg.sender,
                to,
                received,
                TokenMetadata.name(token),
                TokenMetadata.symbol(token),
                TokenMetadata.decimals(token)
            )
        );
        message = ROLLUP.sendMessage{value: msg.value}(TOKEN_FACTORY, msg.value, gasLimit, data);
        emit Deposited(token, msg.sender, to, received, message);
    }

    /// @inheritdoc ITokenBridge
    function release(address token, address to, uint256 amount) external override nonReentrant {
        require(msg.sender == address(ROLLUP) && ROLLUP.l2Sender() == TOKEN_FACTORY, NotFactory());
        _release(token, to, amount);
    }

    /// @inheritdoc IRefundReceiver
    /// @dev The messenger has seen that the message was ours and was not delivered.
    function onMessageRefunded(INativeRollup.Message calldata message) external payable override nonReentrant {
        require(msg.sender == address(ROLLUP) && ROLLUP.l2Sender() == NATIVE_MESSENGER, NotMessenger());
        require(message.sender == address(this) && message.to == TOKEN_FACTORY, NotADeposit());
        (address token, address from,, uint256 amount) =
            abi.decode(message.data[4:], (address, address, address, uint256));
        _release(token, from, amount);
    }

    /// @inheritdoc ITokenBridge
    function rollup() external view override returns (address) {
        return address(ROLLUP);
    }

    /// @dev What arrives counts, not what was sent: a token may keep a part.
    function _receive(IERC20 token, uint256 amount) private returns (uint256 received) {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        received = token.balanceOf(address(this)) - before;
        require(received != 0, NothingReceived());
        locked[address(token)] += received;
    }

    function _release(address token, address to, uint256 amount) private {
        require(amount <= locked[token], MoreThanLocked(amount, locked[token]));
        locked[token] -= amount;
        IERC20(token).safeTransfer(to, amount);
        emit Released(token, to, amount);
    }
}
